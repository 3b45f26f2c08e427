"""The page of faults has no row that no test makes; that none is missing, each test checks
itself."""


def test_every_row_of_the_page_is_made_by_a_test(unmade):
    assert not unmade, "run `make test-faults` and commit docs/faults.md"
