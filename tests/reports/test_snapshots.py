import re


def test_a_widget_is_replaced_by_what_it_showed_and_never_by_an_empty_box(pages):
    page = pages["01_good.html"]
    shown, gone = re.findall(r'<div class="widget">(.*?)<p class="note">(.*?)</p>', page, re.DOTALL)
    assert '<svg width="9"><text x="1">bars </text></svg>' in shown[0] and "shown" in shown[0]
    assert "split <b>train</b>" in shown[0] and "top <b>20</b>" in shown[0] and "Save" not in shown[0]
    assert gone == ("", "Interactive in JupyterLab.")
    assert "VBox()" not in page
