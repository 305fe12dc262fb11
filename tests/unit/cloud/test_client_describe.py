"""`skerry describe` writes values as YAML does."""

from cloud.client.objects import described


def test_truth_and_nothing_look_as_in_a_file_for_apply():
    lines = list(described({"spec": {"paused": False, "twin": [True, None], "n": 1.5}}))
    assert [line.split() for line in lines] == [
        ["spec:"],
        ["paused:", "false"],
        ["twin:"],
        ["-", "true"],
        ["-", "null"],
        ["n:", "1.5"],
    ]
