"""The table of photon noise is what its document says."""

import json

from tests.conftest import PROJECT


def test_the_page_shows_the_document() -> None:
    document = json.loads((PROJECT / "docs" / "measurements" / "photon_noise.json").read_text())
    page = (PROJECT / "docs" / "results.md").read_text()
    for row in document["rows"]:
        gain, sigma, *scores = row.values()
        assert f"| {gain:g} | {sigma:g} | {' | '.join(f'{score:.2f}' for score in scores)} |" in page
    assert f"{len(document['images'])} crops of {document['crop']}x{document['crop']}" in page
