"""A command that fails says what its user can do, and does not hide what nobody foresaw."""

import pytest

from core.errors import RunError
from train.failure import told


def test_what_a_user_can_cause_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, told():
        raise RunError("There is no run [red]: train one.")
    assert end.value.code == 1
    shown = capsys.readouterr()
    assert not shown.out
    assert shown.err == "Error: There is no run [red]: train one.\n"


def test_what_is_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), told():
        print(1 // 0)
