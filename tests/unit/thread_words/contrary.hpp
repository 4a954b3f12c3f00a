// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Says another word than the table. Threads: thread-safe.
class Contrary {};
