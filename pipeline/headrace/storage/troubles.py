"""Which errors of the operating system are told as they are."""

import errno

LOCAL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
"""Troubles of this machine's disk, not of the source that is read: the command line tells them in one line."""
