/* A preload that records what a process asks of the file system below one folder, in order, so that a
 * loss of power can be replayed at any point of it. Reads REVERIE_SHIM_ROOT (the folder),
 * REVERIE_SHIM_TRACE (the file to append to) and REVERIE_SHIM_ACKS (a file whose writes are what the
 * process told the world); the line "exit" written there ends the process at once.
 *
 * REVERIE_SHIM_FDATASYNC=ignore takes away the fdatasync of every file named db, and =N lets the Nth
 * one fail with EIO. sync_file_range is no promise and is not recorded.
 *
 * A record: kind u8, number u64, offset u64, path bytes u32, data bytes u32, path, data; little-endian. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, MKDIR, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, RMDIR, ACK, START };

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
static int trace = -1;
static char root[PATH_MAX], acks[PATH_MAX];
static size_t root_bytes;
static int fail_at = -1, ignore_sync, syncs;
static uint64_t sync_ids;

static void record(uint8_t kind, uint64_t number, uint64_t offset, const char *path, const void *data, size_t bytes) {
    uint32_t path_bytes = path ? strlen(path) : 0, data_bytes = bytes;
    unsigned char head[25];
    head[0] = kind;
    memcpy(head + 1, &number, 8);
    memcpy(head + 9, &offset, 8);
    memcpy(head + 17, &path_bytes, 4);
    memcpy(head + 21, &data_bytes, 4);
    struct iovec parts[3] = {{head, sizeof head}, {(void *)path, path_bytes}, {(void *)data, data_bytes}};
    ssize_t all = sizeof head + path_bytes + data_bytes;
    if (syscall(SYS_writev, trace, parts, 3) != all) {
        static const char words[] = "the power-loss shim cannot write its trace\n";
        syscall(SYS_write, 2, words, sizeof words - 1);
        abort();
    }
}

__attribute__((constructor)) static void start(void) {
    const char *folder = getenv("REVERIE_SHIM_ROOT"), *file = getenv("REVERIE_SHIM_TRACE");
    const char *told = getenv("REVERIE_SHIM_ACKS"), *how = getenv("REVERIE_SHIM_FDATASYNC");
    if (!folder || !file) return;
    snprintf(root, sizeof root, "%s", folder);
    root_bytes = strlen(root);
    if (told) snprintf(acks, sizeof acks, "%s", told);
    if (how && !strcmp(how, "ignore")) ignore_sync = 1;
    else if (how) fail_at = atoi(how);
    trace = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace >= 0) record(START, getpid(), 0, "", NULL, 0);
}

static int is_inside(const char *path) {
    return trace >= 0 && !strncmp(path, root, root_bytes) && (path[root_bytes] == '/' || !path[root_bytes]);
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t bytes = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[bytes > 0 ? bytes : 0] = 0;
    return bytes > 0;
}

static void absolute(int folder, const char *name, char *path) {
    path[0] = 0;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return;
    }
    if (folder == AT_FDCWD) {
        if (!getcwd(path, PATH_MAX)) path[0] = 0;
    } else {
        path_of(folder, path);
    }
    size_t bytes = strlen(path);
    snprintf(path + bytes, PATH_MAX - bytes, "/%s", name);
}

static uint64_t inode(int fd) {
    struct stat is;
    return fstat(fd, &is) ? 0 : is.st_ino;
}

/* --- Opening ------------------------------------------------------------------------------------- */

static int do_open(int folder, const char *name, int flags, mode_t mode) {
    if (trace < 0 || !(flags & (O_CREAT | O_TRUNC))) return syscall(SYS_openat, folder, name, flags, mode);
    char path[PATH_MAX];
    absolute(folder, name, path);
    if (!is_inside(path)) return syscall(SYS_openat, folder, name, flags, mode);
    pthread_mutex_lock(&one);
    int existed = !syscall(SYS_faccessat, folder, name, F_OK);
    int fd = syscall(SYS_openat, folder, name, flags, mode), error = errno;
    if (fd >= 0 && !existed) record(CREATE, inode(fd), 0, path, NULL, 0);
    else if (fd >= 0 && (flags & O_TRUNC)) record(TRUNCATE, inode(fd), 0, "", NULL, 0);
    pthread_mutex_unlock(&one);
    errno = error;
    return fd;
}

static mode_t mode_of(int flags, va_list rest) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; }

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = mode_of(flags, rest); \
        va_end(rest); \
        return do_open(AT_FDCWD, path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = mode_of(flags, rest); \
        va_end(rest); \
        return do_open(folder, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

/* --- Bytes --------------------------------------------------------------------------------------- */

/* Writes under the lock, so that the trace's order is the file's. offset -1 is the descriptor's own. */
static ssize_t do_write(int fd, const struct iovec *parts, int count, off_t offset) {
    char path[PATH_MAX];
    int told = 0, inside = 0;
    if (trace >= 0 && fd != trace && path_of(fd, path)) {
        told = acks[0] && !strcmp(path, acks);
        inside = is_inside(path);
    }
    if (!told && !inside) {
        return offset < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, offset, 0);
    }
    pthread_mutex_lock(&one);
    off_t at = offset;
    if (at < 0) at = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    ssize_t done = offset < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, offset, 0);
    int error = errno;
    uint64_t number = inode(fd);
    ssize_t left = done;
    for (int i = 0; i < count && left > 0; i++) {
        ssize_t bytes = (ssize_t)parts[i].iov_len < left ? (ssize_t)parts[i].iov_len : left;
        record(told ? ACK : WRITE, number, at, "", parts[i].iov_base, bytes);
        at += bytes;
        left -= bytes;
    }
    /* Nothing else runs while the lock is held: the trace and the folder agree. */
    if (told && done >= 5 && !memcmp(parts[0].iov_base, "exit\n", 5)) _exit(0);
    pthread_mutex_unlock(&one);
    errno = error;
    return done;
}

static ssize_t write_one(int fd, const void *bytes, size_t count, off_t offset) {
    struct iovec part = {(void *)bytes, count};
    return do_write(fd, &part, 1, offset);
}

ssize_t write(int fd, const void *bytes, size_t count) { return write_one(fd, bytes, count, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { return write_one(fd, bytes, count, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) { return write_one(fd, bytes, count, offset); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return do_write(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) { return do_write(fd, parts, count, offset); }

/* Whoever copies within the kernel must fall back on what is recorded. */
ssize_t copy_file_range(int from, off_t *a, int to, off_t *b, size_t bytes, unsigned flags) {
    char path[PATH_MAX];
    if (trace < 0 || !path_of(to, path) || !is_inside(path))
        return syscall(SYS_copy_file_range, from, a, to, b, bytes, flags);
    errno = ENOSYS;
    return -1;
}
ssize_t sendfile64(int to, int from, off_t *at, size_t bytes) {
    char path[PATH_MAX];
    if (trace < 0 || !path_of(to, path) || !is_inside(path)) return syscall(SYS_sendfile, to, from, at, bytes);
    errno = ENOSYS;
    return -1;
}
ssize_t sendfile(int to, int from, off_t *at, size_t bytes) { return sendfile64(to, from, at, bytes); }

int ftruncate(int fd, off_t bytes) {
    char path[PATH_MAX];
    if (trace < 0 || !path_of(fd, path) || !is_inside(path)) return syscall(SYS_ftruncate, fd, bytes);
    pthread_mutex_lock(&one);
    int done = syscall(SYS_ftruncate, fd, bytes), error = errno;
    if (!done) record(TRUNCATE, inode(fd), bytes, "", NULL, 0);
    pthread_mutex_unlock(&one);
    errno = error;
    return done;
}
int ftruncate64(int fd, off_t bytes) { return ftruncate(fd, bytes); }

static int do_sync(int fd, long call) {
    char path[PATH_MAX];
    if (trace < 0 || !path_of(fd, path) || !is_inside(path)) return syscall(call, fd);
    const char *name = strrchr(path, '/');
    struct stat is;
    if (call == SYS_fdatasync && name && !strcmp(name, "/db") && !fstat(fd, &is) && S_ISREG(is.st_mode)) {
        if (ignore_sync) return 0;
        if (fail_at >= 0 && __sync_add_and_fetch(&syncs, 1) >= fail_at) {
            errno = EIO;
            return -1;
        }
    }
    pthread_mutex_lock(&one);
    uint64_t id = ((uint64_t)getpid() << 32) + ++sync_ids;
    record(SYNC_BEGIN, inode(fd), id, path, NULL, 0);
    pthread_mutex_unlock(&one);
    int done = syscall(call, fd), error = errno;
    if (!done) {
        pthread_mutex_lock(&one);
        record(SYNC_END, inode(fd), id, "", NULL, 0);
        pthread_mutex_unlock(&one);
    }
    errno = error;
    return done;
}
int fsync(int fd) { return do_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return do_sync(fd, SYS_fdatasync); }

/* --- Names --------------------------------------------------------------------------------------- */

static int do_name(uint8_t kind, int from_folder, const char *from, int to_folder, const char *to, long value) {
    char a[PATH_MAX], b[PATH_MAX];
    absolute(from_folder, from, a);
    b[0] = 0;
    if (to) absolute(to_folder, to, b);
    int inside = is_inside(a) || (to && is_inside(b));
    if (inside) pthread_mutex_lock(&one);
    int done = kind == RENAME  ? syscall(SYS_renameat2, from_folder, from, to_folder, to, value)
               : kind == MKDIR ? syscall(SYS_mkdirat, from_folder, from, value)
                               : syscall(SYS_unlinkat, from_folder, from, kind == RMDIR ? AT_REMOVEDIR : 0);
    int error = errno;
    struct stat is = {0};
    if (inside) {
        if (!done && kind == MKDIR) fstatat(from_folder, from, &is, 0);
        if (!done) record(kind, is.st_ino, 0, a, b, strlen(b));
        pthread_mutex_unlock(&one);
    }
    errno = error;
    return done;
}

int rename(const char *a, const char *b) { return do_name(RENAME, AT_FDCWD, a, AT_FDCWD, b, 0); }
int renameat(int f, const char *a, int t, const char *b) { return do_name(RENAME, f, a, t, b, 0); }
int renameat2(int f, const char *a, int t, const char *b, unsigned flags) { return do_name(RENAME, f, a, t, b, flags); }
int mkdir(const char *a, mode_t mode) { return do_name(MKDIR, AT_FDCWD, a, 0, NULL, mode); }
int mkdirat(int f, const char *a, mode_t mode) { return do_name(MKDIR, f, a, 0, NULL, mode); }
int unlink(const char *a) { return do_name(UNLINK, AT_FDCWD, a, 0, NULL, 0); }
int rmdir(const char *a) { return do_name(RMDIR, AT_FDCWD, a, 0, NULL, 0); }
int unlinkat(int f, const char *a, int flags) {
    return do_name(flags & AT_REMOVEDIR ? RMDIR : UNLINK, f, a, 0, NULL, 0);
}
