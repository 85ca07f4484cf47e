/* SPDX-License-Identifier: Apache-2.0
 * Calls we do not make, turned into compile errors. Include it last. Folders
 * that move tensor bytes (rpc, ps, cluster) also define CREW_BAN_MEMCPY: there
 * a copy goes through rpc_copy() (rpc/copy.h), which counts it. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#undef strcpy
#define strcpy(...) banned_strcpy_use_snprintf()
#undef strcat
#define strcat(...) banned_strcat_use_strbuf()
#undef strncpy
#define strncpy(...) banned_strncpy_use_snprintf()
#undef sprintf
#define sprintf(...) banned_sprintf_use_snprintf()
#undef strtok
#define strtok(...) banned_strtok_use_strtok_r()
#undef gmtime
#define gmtime(...) banned_gmtime_use_gmtime_r()
#undef localtime
#define localtime(...) banned_localtime_use_localtime_r()
#undef mktemp
#define mktemp(...) banned_mktemp_use_mkstemp()
#undef atoi
#define atoi(...) banned_atoi_use_strtoll()
#undef rand
#define rand(...) banned_rand_use_base_rng()
#ifdef CREW_BAN_MEMCPY
#undef memcpy
#define memcpy(...) banned_memcpy_use_rpc_copy()
#undef memmove
#define memmove(...) banned_memmove_use_rpc_copy()
#endif

#endif
