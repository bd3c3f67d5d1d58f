"""A Jupyter kernel to run code in, for tests of what only shows in a notebook."""

import pytest
from jupyter_client.manager import start_new_kernel

SECONDS = 180


@pytest.fixture(scope="module")
def kernel():
    """Executes code in a kernel, and gives its messages in their order."""
    manager, client = start_new_kernel(kernel_name="python3")

    def execute(code):
        messages = []
        reply = client.execute_interactive(code, timeout=SECONDS, output_hook=messages.append)
        assert reply["content"]["status"] == "ok", reply["content"]
        return messages

    yield execute
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def displayed(messages):
    """Of each message where something is displayed: its kind, its data by MIME type, and the id of its place."""
    return [
        (each["msg_type"], each["content"]["data"], each["content"]["transient"].get("display_id"))
        for each in messages
        if each["msg_type"] in ("display_data", "update_display_data")
    ]


def printed(messages):
    return "".join(each["content"]["text"] for each in messages if each["content"].get("name") == "stdout")
