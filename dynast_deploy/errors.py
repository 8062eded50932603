"""The one error class for mistakes a person can make and mend."""


class DynastError(Exception):
    """Something outside the program is wrong: a file, an option, a missing package.

    The message names what was wrong with what, and the command or setting that mends it. Command lines
    print the message alone and exit with status 2; any other exception is a bug and keeps its traceback.
    """
