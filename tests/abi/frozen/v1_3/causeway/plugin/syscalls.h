/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table through which the runtime and its backends enter the kernel.
 *
 * Every function behaves as the libc function of the same name: it returns -1
 * (mmap: MAP_FAILED) and sets errno on failure. A test replaces the table to
 * stand in for a kernel or to make one call fail. Closing is not in the table:
 * a descriptor in the table of this process is always a real one, and close(2)
 * has no failure that a caller could act upon.
 *
 * Threads: each function may be called from any thread at any time.
 */
#ifndef CAUSEWAY_PLUGIN_SYSCALLS_H
#define CAUSEWAY_PLUGIN_SYSCALLS_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cw_syscalls {
  uint32_t struct_size; /* sizeof(cw_syscalls) of whoever filled it */
  uint32_t reserved;    /* 0 */
  void* context;        /* passed back as the first argument of each call */

  int (*open)(void* context, const char* path, int flags);
  /* Calls visit once for each entry of the directory but "." and ".."; returns 0, or -1 and errno. */
  int (*list_directory)(void* context, const char* path, void (*visit)(void* user, const char* entry_name),
                        void* user);
  int (*ioctl)(void* context, int fd, unsigned long request, void* argument);
  int (*fcntl)(void* context, int fd, int command, long argument);
  int (*fstat)(void* context, int fd, struct stat* out);
  int (*fstatfs)(void* context, int fd, struct statfs* out);
  int64_t (*lseek)(void* context, int fd, int64_t offset, int whence);
  int (*ftruncate)(void* context, int fd, int64_t length);
  int (*memfd_create)(void* context, const char* name, unsigned int flags);
  int (*eventfd)(void* context, unsigned int initial, int flags);
  void* (*mmap)(void* context, void* address, size_t length, int protection, int flags, int fd,
                int64_t offset);
  int (*munmap)(void* context, void* address, size_t length);
  int (*madvise)(void* context, void* address, size_t length, int advice);
  int (*ppoll)(void* context, struct pollfd* fds, nfds_t count, const struct timespec* timeout);
  /* Since 1.1. */
  int (*pipe2)(void* context, int ends[2], int flags);
  int (*epoll_create1)(void* context, int flags);
  int (*epoll_ctl)(void* context, int epoll, int operation, int fd, struct epoll_event* event);
} cw_syscalls;

#ifdef __cplusplus
}
#endif
#endif
