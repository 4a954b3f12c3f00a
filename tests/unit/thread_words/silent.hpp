// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Says no thread word.
class Silent {};
