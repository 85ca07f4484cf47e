/* SPDX-License-Identifier: Apache-2.0
 * Files through an env: every case runs on real files and in memory, which must
 * answer alike. Then what memory adds: faults and a virtual clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/mem_fs.h"
#include "run_suite.h"

static struct crew_env *env;
static struct env_fs *fs;
static char *root; /* an empty folder */

static void set_up_posix(void)
{
    const char *tmp = getenv("TMPDIR");

    env = env_posix();
    fs = env->fs;
    root = xasprintf("%s/crew-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void tear_down_posix(void)
{
    struct crew_err err = {0};

    ck_assert_msg(fs_remove_tree(env, root, &err) == CREW_OK, "%s", err.msg);
    ck_assert(!fs_exists(env, root));
    free(root);
}

static void set_up_mem(void)
{
    struct crew_err err = {0};

    env = env_mem_new(1);
    fs = env->fs;
    root = xstrdup("/a/root");
    ck_assert_int_eq(fs_make_dirs(env, root, &err), CREW_OK);
}

static void tear_down_mem(void)
{
    env_mem_free(env);
    free(root);
}

/* A path under the root that lives until the next but three calls. */
static const char *at(const char *name)
{
    static char paths[4][300];
    static int next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *text)
{
    struct crew_err err = {0};
    struct env_file *f = NULL;

    ck_assert_msg(fs->create(fs, at(name), false, &f, &err) == CREW_OK, "%s",
                  err.msg);
    ck_assert_int_eq(fs->write(f, text, strlen(text), &err), CREW_OK);
    ck_assert_int_eq(fs->sync(f, &err), CREW_OK);
    ck_assert_int_eq(fs->close(f, &err), CREW_OK);
}

static void ck_content(const char *name, const char *want)
{
    struct crew_err err = {0};
    char *got = NULL;
    size_t n = 0;

    ck_assert_msg(
        fs_read_file(env, at(name), 1 << 20, &got, &n, &err) == CREW_OK, "%s",
        err.msg);
    ck_assert_str_eq(got, want);
    ck_assert_uint_eq(n, strlen(want));
    free(got);
}

/* The error an operation gave, checked and cleared. */
static void ck_error(struct crew_err *err, int code, int exit_code)
{
    ck_assert_msg(err->code == code, "got %s (%s), want %s",
                  crew_code_name(err->code), err->msg, crew_code_name(code));
    ck_assert_int_eq(crew_err_exit_code(err), exit_code);
    *err = (struct crew_err){0};
}

START_TEST(write_and_read)
{
    struct crew_err err = {0};
    struct env_file *f = NULL;
    char buf[8] = "";
    size_t got = 99;

    put("f", "hello");
    ck_assert_int_eq(fs->open(fs, at("f"), &f, &err), CREW_OK);
    ck_assert_int_eq(fs->read(f, 1, buf, 3, &got, &err), CREW_OK);
    ck_assert_uint_eq(got, 3);
    ck_assert_mem_eq(buf, "ell", 3);
    ck_assert_int_eq(fs->read(f, 3, buf, 8, &got, &err), CREW_OK);
    ck_assert_uint_eq(got, 2);
    ck_assert_int_eq(fs->read(f, 5, buf, 8, &got, &err), CREW_OK);
    ck_assert_uint_eq(got, 0);
    ck_assert_int_eq(fs->read(f, 1000, buf, 8, &got, &err), CREW_OK);
    ck_assert_uint_eq(got, 0);
    ck_assert_int_eq(fs->close(f, &err), CREW_OK);
}
END_TEST

START_TEST(create_modes)
{
    struct crew_err err = {0};
    struct env_file *f = NULL;

    put("f", "long content");
    ck_assert_int_ne(fs->create(fs, at("f"), true, &f, &err), CREW_OK);
    ck_error(&err, CREW_ALREADY_EXISTS, 73);
    ck_content("f", "long content");
    put("f", "new");
    ck_content("f", "new");
    ck_assert_int_ne(fs->create(fs, at("no/f"), false, &f, &err), CREW_OK);
    ck_error(&err, CREW_NOT_FOUND, 66);
    ck_assert_ptr_null(f);
}
END_TEST

START_TEST(what_is_missing_is_not_found)
{
    struct crew_err err = {0};
    struct env_stat st;
    struct env_file *f = NULL;

    ck_assert_int_ne(fs->open(fs, at("x"), &f, &err), CREW_OK);
    ck_assert_ptr_nonnull(strstr(err.msg, "open "));
    ck_assert_ptr_nonnull(strstr(err.msg, "/x: No such file or directory"));
    ck_error(&err, CREW_NOT_FOUND, 66);
    ck_assert_int_ne(fs->stat(fs, at("x"), &st, &err), CREW_OK);
    ck_error(&err, CREW_NOT_FOUND, 66);
    ck_assert_int_ne(fs->unlink(fs, at("x"), &err), CREW_OK);
    ck_error(&err, CREW_NOT_FOUND, 66);
    ck_assert_int_ne(fs->rename(fs, at("x"), at("y"), &err), CREW_OK);
    ck_error(&err, CREW_NOT_FOUND, 66);
    ck_assert_int_ne(fs->rmdir(fs, at("x"), &err), CREW_OK);
    ck_error(&err, CREW_NOT_FOUND, 66);
    ck_assert_int_ne(fs->list(fs, at("x"), NULL, NULL, &err), CREW_OK);
    ck_error(&err, CREW_NOT_FOUND, 66);
    ck_assert_int_ne(fs->sync_dir(fs, at("x"), &err), CREW_OK);
    ck_error(&err, CREW_NOT_FOUND, 66);
    ck_assert_int_ne(fs->mkdir(fs, at("x/y"), &err), CREW_OK);
    ck_error(&err, CREW_NOT_FOUND, 66);
}
END_TEST

START_TEST(folders)
{
    struct crew_err err = {0};
    struct env_stat st;

    ck_assert_int_eq(fs->mkdir(fs, at("d"), &err), CREW_OK);
    ck_assert_int_eq(fs->mkdir(fs, at("d"), &err), CREW_OK);
    put("d/f", "12345");
    ck_assert_int_eq(fs->stat(fs, at("d"), &st, &err), CREW_OK);
    ck_assert(st.is_dir);
    ck_assert_int_eq(fs->stat(fs, at("d/f"), &st, &err), CREW_OK);
    ck_assert(!st.is_dir);
    ck_assert_uint_eq(st.size, 5);
    ck_assert_double_gt(st.mtime, 1.5e9);
    ck_assert_int_ne(fs->rmdir(fs, at("d"), &err), CREW_OK);
    ck_error(&err, CREW_UNAVAILABLE, 74);
    ck_assert_int_ne(fs->unlink(fs, at("d"), &err), CREW_OK);
    ck_error(&err, CREW_UNAVAILABLE, 74);
    ck_assert_int_ne(fs->mkdir(fs, at("d/f"), &err), CREW_OK);
    ck_error(&err, CREW_ALREADY_EXISTS, 73);
    ck_assert_int_eq(fs->sync_dir(fs, at("d"), &err), CREW_OK);
    ck_assert_int_eq(fs->unlink(fs, at("d/f"), &err), CREW_OK);
    ck_assert_int_eq(fs->rmdir(fs, at("d"), &err), CREW_OK);
    ck_assert(!fs_exists(env, at("d")));
}
END_TEST

START_TEST(rename_replaces)
{
    struct crew_err err = {0};

    put("a", "A");
    put("b", "B");
    ck_assert_int_eq(fs->rename(fs, at("a"), at("b"), &err), CREW_OK);
    ck_content("b", "A");
    ck_assert(!fs_exists(env, at("a")));
    ck_assert_int_eq(fs_make_dirs(env, at("d/e"), &err), CREW_OK);
    put("d/e/f", "F");
    ck_assert_int_eq(fs->rename(fs, at("d"), at("moved"), &err), CREW_OK);
    ck_content("moved/e/f", "F");
    ck_assert(!fs_exists(env, at("d")));
    ck_assert_int_ne(fs->rename(fs, at("moved"), at("b"), &err), CREW_OK);
    ck_error(&err, CREW_UNAVAILABLE, 74);
    ck_assert_int_ne(fs->rename(fs, at("moved"), at("moved/e/x"), &err),
                     CREW_OK);
    ck_error(&err, CREW_UNAVAILABLE, 74);
}
END_TEST

/* Who has a file open reads it to the end, whatever happens to its name. */
START_TEST(open_files_outlive_their_name)
{
    struct crew_err err = {0};
    struct env_file *f = NULL;
    char buf[8] = "";
    size_t got = 0;

    put("f", "old");
    ck_assert_int_eq(fs->open(fs, at("f"), &f, &err), CREW_OK);
    put("g", "new!");
    ck_assert_int_eq(fs->rename(fs, at("g"), at("f"), &err), CREW_OK);
    ck_assert_int_eq(fs->unlink(fs, at("f"), &err), CREW_OK);
    ck_assert_int_eq(fs->read(f, 0, buf, 8, &got, &err), CREW_OK);
    ck_assert_uint_eq(got, 3);
    ck_assert_mem_eq(buf, "old", 3);
    ck_assert_int_eq(fs->close(f, &err), CREW_OK);
}
END_TEST

static void mark(void *self, const char *name)
{
    int *seen = self;

    if (strlen(name) == 1 && name[0] >= 'a' && name[0] <= 'd') {
        seen[name[0] - 'a']++;
    } else {
        seen[4]++;
    }
}

START_TEST(list_names_what_is_directly_there)
{
    struct crew_err err = {0};
    int seen[5] = {0};

    put("a", "");
    put("b", "");
    ck_assert_int_eq(fs_make_dirs(env, at("c/d"), &err), CREW_OK);
    put("c/x", "");
    ck_assert_int_eq(fs->list(fs, root, mark, seen, &err), CREW_OK);
    ck_assert(seen[0] == 1 && seen[1] == 1 && seen[2] == 1);
    ck_assert(seen[3] == 0 && seen[4] == 0);
}
END_TEST

START_TEST(read_file_has_a_limit)
{
    struct crew_err err = {0};
    char *text = NULL;
    size_t n = 0;

    put("f", "12345");
    ck_assert_int_eq(fs_read_file(env, at("f"), 5, &text, &n, &err), CREW_OK);
    ck_assert_uint_eq(n, 5);
    ck_assert_str_eq(text, "12345");
    free(text);
    text = NULL;
    ck_assert_int_ne(fs_read_file(env, at("f"), 4, &text, &n, &err), CREW_OK);
    ck_assert_ptr_null(text);
    ck_assert_uint_eq(n, 5);
    ck_error(&err, CREW_DATA_LOSS, 65);
    put("f", "");
    ck_assert_int_eq(fs_read_file(env, at("f"), 0, &text, &n, &err), CREW_OK);
    ck_assert_uint_eq(n, 0);
    free(text);
}
END_TEST

START_TEST(read_file_grows)
{
    struct crew_err err = {0};
    size_t n = 0, want = 100001;
    char *data = xmalloc(want + 1), *text = NULL;

    memset(data, 'x', want);
    data[want] = '\0';
    put("f", data);
    ck_assert_int_eq(fs_read_file(env, at("f"), want, &text, &n, &err),
                     CREW_OK);
    ck_assert_uint_eq(n, want);
    ck_assert_str_eq(text, data);
    free(text);
    ck_assert_int_ne(fs_read_file(env, at("f"), want - 1, &text, &n, &err),
                     CREW_OK);
    ck_error(&err, CREW_DATA_LOSS, 65);
    free(data);
}
END_TEST

START_TEST(replace_file)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_replace_file(env, at("f"), "one", 3, &err), CREW_OK);
    ck_content("f", "one");
    ck_assert_int_eq(fs_replace_file(env, at("f"), "two!", 4, &err), CREW_OK);
    ck_content("f", "two!");
    ck_assert(!fs_exists(env, at("f.tmp")));
    ck_assert_int_ne(fs_replace_file(env, at("no/f"), "x", 1, &err), CREW_OK);
    ck_error(&err, CREW_NOT_FOUND, 66);
}
END_TEST

START_TEST(make_dirs_and_remove_tree)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_make_dirs(env, at("a/b//c/"), &err), CREW_OK);
    ck_assert_int_eq(fs_make_dirs(env, at("a/b/c"), &err), CREW_OK);
    ck_assert_int_eq(fs_make_dirs(env, at("a/b/d"), &err), CREW_OK);
    put("a/f", "f");
    put("a/b/c/g", "g");
    ck_assert_int_ne(fs_make_dirs(env, at("a/f/x"), &err), CREW_OK);
    err = (struct crew_err){0};
    ck_assert_int_eq(fs_remove_tree(env, at("a"), &err), CREW_OK);
    ck_assert(!fs_exists(env, at("a")));
    ck_assert_int_eq(fs_remove_tree(env, at("a"), &err), CREW_OK);
    put("f", "f");
    ck_assert_int_eq(fs_remove_tree(env, at("f"), &err), CREW_OK);
    ck_assert(!fs_exists(env, at("f")));
}
END_TEST

START_TEST(join)
{
    static const char *const table[][3] = {{"a", "b", "a/b"},
                                           {"a/", "b", "a/b"},
                                           {"/", "b", "/b"},
                                           {"", "b", "b"}};

    for (int i = 0; i < 4; i++) {
        char *got = path_join(table[i][0], table[i][1]);
        ck_assert_str_eq(got, table[i][2]);
        free(got);
    }
}
END_TEST

START_TEST(random_and_clocks)
{
    uint64_t a = env->random(env), b = env->random(env);
    uint64_t then = env->now_ns(env);

    ck_assert(a != b);
    ck_assert(env->now_ns(env) >= then);
    ck_assert_double_gt(env->wall_time(env), 1.5e9);
}
END_TEST

/* ------------------------------------------------------- real files alone */

START_TEST(permissions_follow_the_umask)
{
    struct crew_err err = {0};
    struct stat st;
    mode_t old = umask(027);

    put("f", "x");
    ck_assert_int_eq(fs->mkdir(fs, at("d"), &err), CREW_OK);
    (void)umask(old);
    ck_assert_int_eq(stat(at("f"), &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0640);
    ck_assert_int_eq(stat(at("d"), &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0750);
}
END_TEST

START_TEST(a_full_disk_is_resource_exhausted)
{
    struct crew_err err = {0};
    struct env_file *f = NULL;

    if (fs->create(fs, "/dev/full", false, &f, &err) != CREW_OK) {
        return; /* a system without it */
    }
    ck_assert_int_ne(fs->write(f, "x", 1, &err), CREW_OK);
    ck_assert_str_eq(err.msg, "write /dev/full: No space left on device");
    ck_error(&err, CREW_RESOURCE_EXHAUSTED, 74);
    ck_assert_int_eq(fs->close(f, &err), CREW_OK);
}
END_TEST

/* A link in the tree is removed, what it names stays. */
START_TEST(remove_tree_does_not_follow_links)
{
    struct crew_err err = {0};
    char *link = xasprintf("%s/tree/link", root);

    ck_assert_int_eq(fs_make_dirs(env, at("tree"), &err), CREW_OK);
    ck_assert_int_eq(fs_make_dirs(env, at("kept"), &err), CREW_OK);
    put("kept/f", "mine");
    ck_assert_int_eq(symlink(at("kept"), link), 0);
    ck_assert_int_eq(fs_remove_tree(env, at("tree"), &err), CREW_OK);
    ck_content("kept/f", "mine");
    ck_assert(!fs_exists(env, at("tree")));
    free(link);
}
END_TEST

/* ------------------------------------------------------------ memory alone */

START_TEST(virtual_time)
{
    double wall = env->wall_time(env);
    struct crew_err err = {0};
    struct env_stat st;

    ck_assert(env->now_ns(env) == 0);
    env_mem_advance(env, 2500000000u);
    ck_assert(env->now_ns(env) == 2500000000u);
    ck_assert_double_eq_tol(env->wall_time(env), wall + 2.5, 1e-6);
    put("f", "x");
    ck_assert_int_eq(fs->stat(fs, at("f"), &st, &err), CREW_OK);
    ck_assert_double_eq_tol(st.mtime, wall + 2.5, 1e-6);
}
END_TEST

START_TEST(the_seed_decides)
{
    struct crew_env *a = env_mem_new(7), *b = env_mem_new(7);
    struct crew_env *c = env_mem_new(8);
    uint64_t x = a->random(a);

    ck_assert(x == b->random(b));
    ck_assert(x != c->random(c));
    env_mem_free(a);
    env_mem_free(b);
    env_mem_free(c);
}
END_TEST

/* Let every operation of a replacement fail in turn: old or new, never else. */
START_TEST(replacing_with_faults)
{
    bool for_ever = _i == 1;
    int n;

    for (n = 1; n < 100; n++) {
        struct crew_err err = {0};
        int rc;
        put("f", "old");
        env_mem_fail_at(env, n, CREW_RESOURCE_EXHAUSTED, for_ever);
        rc = fs_replace_file(env, at("f"), "newer", 5, &err);
        if (!env_mem_fail_fired(env)) {
            ck_assert_int_eq(rc, CREW_OK);
            env_mem_fail_at(env, 0, CREW_OK, false);
            ck_content("f", "newer");
            break;
        }
        env_mem_fail_at(env, 0, CREW_OK, false);
        ck_assert_int_eq(rc, CREW_RESOURCE_EXHAUSTED);
        /* Only the last operation, the folder's sync, comes after the rename.
         */
        ck_content("f", n == 6 ? "newer" : "old");
        ck_assert(for_ever || !fs_exists(env, at("f.tmp")));
    }
    ck_assert_int_eq(n, 7);
}
END_TEST

START_TEST(helpers_with_faults)
{
    struct crew_err err;
    char *text;
    size_t n;
    int rc, point;

    for (point = 1; point < 100; point++) {
        err = (struct crew_err){0};
        text = NULL;
        ck_assert_int_eq(fs_make_dirs(env, at("d/e"), &err), CREW_OK);
        put("d/e/f", "x");
        env_mem_fail_at(env, point, CREW_UNAVAILABLE, false);
        rc = fs_read_file(env, at("d/e/f"), 10, &text, &n, &err);
        free(text);
        if (rc == CREW_OK) {
            rc = fs_remove_tree(env, at("d"), &err);
        }
        if (!env_mem_fail_fired(env)) {
            ck_assert_int_eq(rc, CREW_OK);
            break;
        }
        env_mem_fail_at(env, 0, CREW_OK, false);
        ck_assert(rc == CREW_OK || err.msg[0] != '\0');
    }
    ck_assert_int_gt(point, 8);
}
END_TEST

START_TEST(memory_can_be_short_while_reading)
{
    struct crew_err err = {0};
    char *text = NULL;
    size_t n = 7;

    put("f", "x");
    mem_fail_at(1, false);
    ck_assert_int_eq(fs_read_file(env, at("f"), 10, &text, &n, &err),
                     CREW_RESOURCE_EXHAUSTED);
    ck_assert_ptr_null(text);
    ck_assert_uint_eq(n, 7);
    mem_fail_at(0, false);
}
END_TEST

static void keep_line(void *self, enum env_level level, const char *text)
{
    (void)snprintf(self, 100, "%d %s", (int)level, text);
}

START_TEST(log_lines_go_where_told)
{
    char line[100] = "";

    env_log(env, LOG_WARN, "nobody hears %d", 1);
    env_mem_on_log(env, keep_line, line);
    env_log(env, LOG_WARN, "x %d", 2);
    ck_assert_str_eq(line, "2 x 2");
}
END_TEST

static void add_common(TCase *tc)
{
    tcase_add_test(tc, write_and_read);
    tcase_add_test(tc, create_modes);
    tcase_add_test(tc, what_is_missing_is_not_found);
    tcase_add_test(tc, folders);
    tcase_add_test(tc, rename_replaces);
    tcase_add_test(tc, open_files_outlive_their_name);
    tcase_add_test(tc, list_names_what_is_directly_there);
    tcase_add_test(tc, read_file_has_a_limit);
    tcase_add_test(tc, read_file_grows);
    tcase_add_test(tc, replace_file);
    tcase_add_test(tc, make_dirs_and_remove_tree);
    tcase_add_test(tc, join);
    tcase_add_test(tc, random_and_clocks);
}

int main(void)
{
    Suite *suite = suite_create("files");
    TCase *posix = tcase_create("posix"), *mem = tcase_create("mem");

    tcase_add_checked_fixture(posix, set_up_posix, tear_down_posix);
    add_common(posix);
    tcase_add_test(posix, permissions_follow_the_umask);
    tcase_add_test(posix, a_full_disk_is_resource_exhausted);
    tcase_add_test(posix, remove_tree_does_not_follow_links);
    suite_add_tcase(suite, posix);
    tcase_add_checked_fixture(mem, set_up_mem, tear_down_mem);
    add_common(mem);
    tcase_add_test(mem, virtual_time);
    tcase_add_test(mem, the_seed_decides);
    tcase_add_loop_test(mem, replacing_with_faults, 0, 2);
    tcase_add_test(mem, helpers_with_faults);
    tcase_add_test(mem, memory_can_be_short_while_reading);
    tcase_add_test(mem, log_lines_go_where_told);
    suite_add_tcase(suite, mem);
    return run_suite(suite);
}
