/* SPDX-License-Identifier: Apache-2.0
 * CLONES: one body, compiled for each vector length; the loader picks one.
 * Sanitizers instrument functions that the loader would call too early. */
#ifndef OPTIM_LOOPS_H
#define OPTIM_LOOPS_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OPTIM_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OPTIM_SANITIZED 1
#endif
#endif

#if defined(__x86_64__) && !defined(OPTIM_SANITIZED)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

#endif
