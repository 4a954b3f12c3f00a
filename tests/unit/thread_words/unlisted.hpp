// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Is missing in the table. Threads: reentrant.
class Unlisted {};
