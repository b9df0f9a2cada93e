"""The small benchmark, systems and judges of `bench_data`, as fixtures."""

import pytest
from bench_data import RuleJudge, RuleSystem, write_vqa


@pytest.fixture
def vqa_folder(tmp_path):
    """GAR-Bench-VQA in small: 20 items, pictures in a folder."""
    return write_vqa(tmp_path / "data", 20)


@pytest.fixture
def make_vqa():
    return write_vqa


@pytest.fixture
def rule_system():
    return RuleSystem


@pytest.fixture
def rule_judge():
    return RuleJudge
