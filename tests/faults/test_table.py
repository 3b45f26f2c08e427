"""The page of faults holds no row that its tests do not make; that it lacks none, each test sees to
itself."""


def test_every_row_of_the_page_is_made_by_a_test(unmade):
    assert not unmade, "run `make test-faults` and commit docs/faults.md"
