"""Every error that a user can cause.

VerdictError            the message is written for users: what happened, and what to do
├── RecipeError         a recipe file that does not say what a recipe must say
├── DataError           data that is missing, malformed, or not what the recipe describes
├── InputError          a text that cannot be classified as typed
├── RunError            a run that is missing, incomplete or damaged
├── EncoderError        an encoder that cannot be had, or is not the one it should be
├── ModelError          model files that are missing, unsafe or do not fit together
├── SignatureError      a signature that cannot be made or checked
├── NotPromoted         a revision that does not get the tag it was to have
└── HubError            the Hub did not do what was asked
    ├── HubUnreachable  nobody answered, or only to say that they can't
    ├── HubRefused      no token, the wrong token, or no right to do this
    ├── NotOnHub        no such repo, revision or file
    ├── HubConflict     somebody else published in the meantime
    └── IntegrityError  the bytes are not those that were published
"""

WRONG_SHAPE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What reading a file of another shape than Verdict writes may lead to: its author can put anything there."""


class VerdictError(Exception):
    """Base of all; `str(error)` can be shown to a user as it is."""


class RecipeError(VerdictError):
    """A recipe has problems; the message lists all of them."""


class DataError(VerdictError):
    """A data set is missing, malformed, or not what the recipe describes."""


class InputError(VerdictError):
    """A text cannot be classified as typed."""


class RunError(VerdictError):
    """A run directory is missing, incomplete or damaged."""


class EncoderError(VerdictError):
    """An encoder cannot be had, or its bytes are not the expected ones."""


class ModelError(VerdictError):
    """Model files are missing, unsafe, or do not fit together."""


class SignatureError(VerdictError):
    """A signature cannot be made or checked: the library or a key is missing."""


class NotPromoted(VerdictError):
    """A revision does not verify, or may be worse than the one that has the tag."""


class HubError(VerdictError):
    """The Hub did not do what was asked."""


class HubUnreachable(HubError):
    """The Hub did not answer, or only to say that it cannot."""


class HubRefused(HubError):
    """The token is missing, wrong, or lacks the right."""


class NotOnHub(HubError):
    """There is no such repo, revision or file on the Hub."""


class HubConflict(HubError):
    """The repo moved on between reading and writing."""


class IntegrityError(HubError):
    """Bytes on or from the Hub differ from those that were published."""
