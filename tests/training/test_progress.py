"""Long work tells how far it is."""

from gar.training.progress import watched


def test_where_nobody_looks_every_tenth_is_a_line(capsys):
    assert list(watched(iter(range(25)), "scenes", total=25)) == [*range(25)]
    told = capsys.readouterr()
    assert told.err.splitlines() == [f"scenes: {share} %" for share in (12, 20, 32, 40, 52, 60, 72, 80, 92, 100)]
    assert not told.out


def test_less_than_ten_items_are_a_line_each(capsys):
    assert list(watched("abc", "shards", total=3)) == ["a", "b", "c"]
    assert capsys.readouterr().err.splitlines() == ["shards: 33 %", "shards: 66 %", "shards: 100 %"]
