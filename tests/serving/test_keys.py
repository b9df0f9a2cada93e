"""Keys: only hashes are kept."""

import pytest

from gar import InputError
from gar.serving.keys import Keys


def test_a_new_key_is_accepted_and_nothing_else(tmp_path):
    (key, line), (other, another) = Keys.make(), Keys.make()
    file = tmp_path / "keys"
    file.write_text(f"# of the lab\n\n{line}\n{another.upper()}\n")
    keys = Keys.read(file)
    assert keys.accepts(key)
    assert keys.accepts(other)
    for wrong in ("", key[:-1], key + " ", line, "ключ", "\udcff"):
        assert not keys.accepts(wrong)
    assert key not in repr(vars(keys))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no key"),
        ("# nothing\n", "holds no key"),
        ("sha256:" + "0" * 64 + "\nsecret\n", "entry 2 of the keys file"),
        ("sha256:00", "is not the hash of a key"),
    ],
)
def test_what_is_no_list_of_hashes_is_refused_without_repeating_it(tmp_path, text, message):
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        Keys.read(file)
    assert "secret" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        Keys.read(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        Keys.read(tmp_path / "bytes")
