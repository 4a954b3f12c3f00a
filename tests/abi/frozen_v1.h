/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary layout of plugin ABI 1.0, frozen: where each member lies on 64-bit Linux. A plugin that was
 * built with that header goes on working for as long as this compiles.
 *
 * A failing line means that the ABI broke, never that the line is out of date. To append a member (rule 1 of
 * backend_abi.h): raise CW_ABI_MINOR, and let the SIZE of that struct say GREW_FROM here.
 */
#ifndef CAUSEWAY_TESTS_ABI_FROZEN_V1_H
#define CAUSEWAY_TESTS_ABI_FROZEN_V1_H

#include <assert.h>
#include <causeway/plugin/backend_abi.h>
#include <stddef.h>

#ifdef __LP64__

#define SIZE(type, bytes) static_assert(sizeof(type) == (bytes), "size of " #type)
#define GREW_FROM(type, bytes) static_assert(sizeof(type) >= (bytes), "size of " #type)
#define OFFSET(type, member, bytes) static_assert(offsetof(type, member) == (bytes), #type "::" #member)
#define VALUE(name, number) static_assert((name) == (number), #name)

SIZE(cw_error, 584);
OFFSET(cw_error, struct_size, 0);
OFFSET(cw_error, system_errno, 4);
OFFSET(cw_error, operation, 8);
OFFSET(cw_error, text, 72);

SIZE(cw_fence, 32);
OFFSET(cw_fence, struct_size, 0);
OFFSET(cw_fence, kind, 4);
OFFSET(cw_fence, fd, 8);
OFFSET(cw_fence, reserved, 12);
OFFSET(cw_fence, handle, 16);
OFFSET(cw_fence, value, 24);

SIZE(cw_plane_layout, 16);
OFFSET(cw_plane_layout, object, 0);
OFFSET(cw_plane_layout, stride, 4);
OFFSET(cw_plane_layout, offset, 8);

SIZE(cw_image_desc, 24);
OFFSET(cw_image_desc, struct_size, 0);
OFFSET(cw_image_desc, format, 4);
OFFSET(cw_image_desc, modifier, 8);
OFFSET(cw_image_desc, width, 16);
OFFSET(cw_image_desc, height, 20);

SIZE(cw_device_info, 520);
OFFSET(cw_device_info, struct_size, 0);
OFFSET(cw_device_info, capabilities, 4);
OFFSET(cw_device_info, id, 8);
OFFSET(cw_device_info, name, 136);
OFFSET(cw_device_info, driver, 264);
OFFSET(cw_device_info, driver_version, 328);
OFFSET(cw_device_info, evidence, 392);

SIZE(cw_open_info, 32);
OFFSET(cw_open_info, struct_size, 0);
OFFSET(cw_open_info, reserved, 4);
OFFSET(cw_open_info, id, 8);
OFFSET(cw_open_info, adopt_interface, 16);
OFFSET(cw_open_info, adopt, 24);

GREW_FROM(cw_constraints, 600);
OFFSET(cw_constraints, struct_size, 0);
OFFSET(cw_constraints, stride_align, 4);
OFFSET(cw_constraints, offset_align, 8);
OFFSET(cw_constraints, object_size_align, 12);
OFFSET(cw_constraints, exact_stride, 16);
OFFSET(cw_constraints, min_object_size, 32);
OFFSET(cw_constraints, max_object_size, 64);
OFFSET(cw_constraints, objects, 72);
OFFSET(cw_constraints, max_frames, 76);
OFFSET(cw_constraints, needs_pinnable, 80);
OFFSET(cw_constraints, modifier_count, 84);
OFFSET(cw_constraints, modifiers, 88);

SIZE(cw_object, 56);
OFFSET(cw_object, struct_size, 0);
OFFSET(cw_object, flags, 4);
OFFSET(cw_object, fd, 8);
OFFSET(cw_object, pinnable_fd, 12);
OFFSET(cw_object, pinnable_offset, 16);
OFFSET(cw_object, size, 24);
OFFSET(cw_object, device_number, 32);
OFFSET(cw_object, inode, 40);
OFFSET(cw_object, ref, 48);

GREW_FROM(cw_attach_info, 56);
OFFSET(cw_attach_info, struct_size, 0);
OFFSET(cw_attach_info, usage, 4);
OFFSET(cw_attach_info, image, 8);
OFFSET(cw_attach_info, plane_count, 32);
OFFSET(cw_attach_info, object_count, 36);
OFFSET(cw_attach_info, planes, 40);
OFFSET(cw_attach_info, objects, 48);

SIZE(cw_sg_entry, 16);
OFFSET(cw_sg_entry, address, 0);
OFFSET(cw_sg_entry, length, 8);

GREW_FROM(cw_mapping, 40);
OFFSET(cw_mapping, struct_size, 0);
OFFSET(cw_mapping, sg_count, 4);
OFFSET(cw_mapping, native_interface, 8);
OFFSET(cw_mapping, native, 16);
OFFSET(cw_mapping, import_path, 24);
OFFSET(cw_mapping, sg, 32);

GREW_FROM(cw_access_begin, 24);
OFFSET(cw_access_begin, struct_size, 0);
OFFSET(cw_access_begin, usage, 4);
OFFSET(cw_access_begin, waits, 8);
OFFSET(cw_access_begin, wait_count, 16);
OFFSET(cw_access_begin, reserved, 20);

GREW_FROM(cw_access_end, 32);
OFFSET(cw_access_end, struct_size, 0);
OFFSET(cw_access_end, signal_capacity, 4);
OFFSET(cw_access_end, signals, 8);
OFFSET(cw_access_end, signal_count, 16);
OFFSET(cw_access_end, given_count, 20);
OFFSET(cw_access_end, given, 24);

SIZE(cw_allocate_info, 48);
OFFSET(cw_allocate_info, struct_size, 0);
OFFSET(cw_allocate_info, usage, 4);
OFFSET(cw_allocate_info, image, 8);
OFFSET(cw_allocate_info, modifier_count, 32);
OFFSET(cw_allocate_info, reserved, 36);
OFFSET(cw_allocate_info, modifiers, 40);

SIZE(cw_allocation, 144);
OFFSET(cw_allocation, struct_size, 0);
OFFSET(cw_allocation, object_count, 4);
OFFSET(cw_allocation, plane_count, 8);
OFFSET(cw_allocation, reserved, 12);
OFFSET(cw_allocation, modifier, 16);
OFFSET(cw_allocation, fds, 24);
OFFSET(cw_allocation, sizes, 40);
OFFSET(cw_allocation, planes, 72);
OFFSET(cw_allocation, token, 136);

SIZE(cw_probe, 48);
OFFSET(cw_probe, struct_size, 0);
OFFSET(cw_probe, flags, 4);
OFFSET(cw_probe, object, 8);
OFFSET(cw_probe, reserved, 12);
OFFSET(cw_probe, offset, 16);
OFFSET(cw_probe, size, 24);
OFFSET(cw_probe, data, 32);
OFFSET(cw_probe, deadline_ns, 40);

GREW_FROM(cw_host, 72);
OFFSET(cw_host, struct_size, 0);
OFFSET(cw_host, abi_version, 4);
OFFSET(cw_host, context, 8);
OFFSET(cw_host, syscalls, 16);
OFFSET(cw_host, log, 24);
OFFSET(cw_host, count, 32);
OFFSET(cw_host, map_object, 40);
OFFSET(cw_host, event_create, 48);
OFFSET(cw_host, event_signal, 56);
OFFSET(cw_host, event_destroy, 64);

GREW_FROM(cw_backend, 152);
OFFSET(cw_backend, struct_size, 0);
OFFSET(cw_backend, abi_version, 4);
OFFSET(cw_backend, name, 8);
OFFSET(cw_backend, description, 16);
OFFSET(cw_backend, enumerate, 24);
OFFSET(cw_backend, open, 32);
OFFSET(cw_backend, close, 40);
OFFSET(cw_backend, device_info, 48);
OFFSET(cw_backend, query_constraints, 56);
OFFSET(cw_backend, attach, 64);
OFFSET(cw_backend, detach, 72);
OFFSET(cw_backend, map, 80);
OFFSET(cw_backend, unmap, 88);
OFFSET(cw_backend, begin_access, 96);
OFFSET(cw_backend, end_access, 104);
OFFSET(cw_backend, get_interface, 112);
OFFSET(cw_backend, allocate, 120);
OFFSET(cw_backend, release, 128);
OFFSET(cw_backend, probe_write, 136);
OFFSET(cw_backend, probe_read, 144);

GREW_FROM(cw_syscalls, 128);
OFFSET(cw_syscalls, struct_size, 0);
OFFSET(cw_syscalls, reserved, 4);
OFFSET(cw_syscalls, context, 8);
OFFSET(cw_syscalls, open, 16);
OFFSET(cw_syscalls, list_directory, 24);
OFFSET(cw_syscalls, ioctl, 32);
OFFSET(cw_syscalls, fcntl, 40);
OFFSET(cw_syscalls, fstat, 48);
OFFSET(cw_syscalls, fstatfs, 56);
OFFSET(cw_syscalls, lseek, 64);
OFFSET(cw_syscalls, ftruncate, 72);
OFFSET(cw_syscalls, memfd_create, 80);
OFFSET(cw_syscalls, eventfd, 88);
OFFSET(cw_syscalls, mmap, 96);
OFFSET(cw_syscalls, munmap, 104);
OFFSET(cw_syscalls, madvise, 112);
OFFSET(cw_syscalls, ppoll, 120);

VALUE(sizeof(cw_status), 4);
VALUE(sizeof(cw_backend_entry), 8);
VALUE(CW_ABI_MAJOR, 1);
VALUE(CW_MAX_PLANES, 4);
VALUE(CW_MAX_MODIFIERS, 64);
VALUE(CW_OK, 0);
VALUE(CW_INVALID_ARGUMENT, 1);
VALUE(CW_UNSUPPORTED, 2);
VALUE(CW_NOT_FOUND, 3);
VALUE(CW_PERMISSION, 4);
VALUE(CW_OUT_OF_MEMORY, 5);
VALUE(CW_OUT_OF_FDS, 6);
VALUE(CW_BUSY, 7);
VALUE(CW_TIMED_OUT, 8);
VALUE(CW_DEVICE_LOST, 9);
VALUE(CW_WOULD_COPY, 10);
VALUE(CW_WRONG_STATE, 11);
VALUE(CW_IO, 12);
VALUE(CW_INCOMPATIBLE, 13);
VALUE(CW_INTERNAL, 14);
VALUE(CW_FENCE_NONE, 0);
VALUE(CW_FENCE_SYNC_FILE, 1);
VALUE(CW_FENCE_SYNCOBJ_POINT, 2);
VALUE(CW_FENCE_HOST_EVENT, 3);
VALUE(CW_DIRECTION_BIDIRECTIONAL, 0);
VALUE(CW_DIRECTION_TO_DEVICE, 1);
VALUE(CW_DIRECTION_FROM_DEVICE, 2);
VALUE(CW_LOG_DEBUG, 0);
VALUE(CW_LOG_INFO, 1);
VALUE(CW_LOG_WARNING, 2);
VALUE(CW_LOG_ERROR, 3);
VALUE(CW_COUNT_COPIED_BYTES, 0);
VALUE(CW_COUNT_CPU_WAITS, 1);
VALUE(CW_USAGE_READ, 0x0001);
VALUE(CW_USAGE_WRITE, 0x0002);
VALUE(CW_USAGE_CAPTURE, 0x0010);
VALUE(CW_USAGE_SAMPLED, 0x0020);
VALUE(CW_USAGE_STORAGE, 0x0040);
VALUE(CW_USAGE_RENDER, 0x0080);
VALUE(CW_USAGE_TRANSFER, 0x0100);
VALUE(CW_USAGE_SCANOUT, 0x0200);
VALUE(CW_USAGE_AS_BUFFER, 0x0400);
VALUE(CW_CAP_ACCESSES_VIA_CPU, 0x01);
VALUE(CW_CAP_COHERENT, 0x02);
VALUE(CW_CAP_IMPLICIT_FENCES, 0x04);
VALUE(CW_CAP_NEEDS_PINNABLE, 0x08);
VALUE(CW_CAP_IMPORTS_DMA_BUF, 0x10);
VALUE(CW_CAP_IMPORTS_MEMFD, 0x20);
VALUE(CW_CAP_IMPORTS_HOST_POINTER, 0x40);
VALUE(CW_CAP_PRODUCES_ONLY, 0x80);
VALUE(CW_OBJECT_IS_DMA_BUF, 0x1);
VALUE(CW_OBJECT_READ_ONLY, 0x2);
VALUE(CW_PROBE_MAY_COPY, 0x1);
VALUE(CW_PROBE_ANY_CONTENT, 0x2);

#undef GREW_FROM
#undef SIZE
#undef OFFSET
#undef VALUE

#endif
#endif
