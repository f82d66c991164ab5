// SPDX-License-Identifier: Apache-2.0

package jwekms

import "syscall"

func threadID() int { return syscall.Gettid() }
