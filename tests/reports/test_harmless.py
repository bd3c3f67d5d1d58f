import re

from nblib.reports.harmless import harmless


def test_harmless_keeps_figures_and_tables_as_they_are():
    kept = '<table class="dataframe"><tbody><tr><th>a</th><td colspan="2">1</td></tr></tbody></table>'
    assert harmless(kept) == kept
    assert harmless('<svg viewBox="0 0 9 9"><rect x="1" fill="#0173b2"></rect></svg>').count("viewBox") == 1
    nested = "<svg><style>*{}</style><script>1</script><foreignObject><b>x</b></foreignObject></svg>"
    assert not re.search("style|script|foreign", harmless(nested))
