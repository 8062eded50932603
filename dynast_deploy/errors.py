"""The one error class for mistakes a person can make and fix, and the one warning class."""


class DynastError(Exception):
    """Something outside the program is wrong: a file, an option, a missing package.

    The message names what was wrong with what, and the command or setting that fixes it. Command lines
    print the message alone and exit with status 2; any other exception is a bug and keeps its traceback.
    """


class DynastWarning(UserWarning):
    """Something works, but not as well as it could.

    The message says why, and the command or setting that fixes it. Command lines print it as a note on standard error.
    """
