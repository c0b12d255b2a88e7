"""Client certificates, and how a group's requests are secured."""

import subprocess

from conftest import open_page
from playwright.sync_api import expect


def certificate(folder, name):
    """A certificate that nobody else has signed, and its key."""
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
        ]
        + [
            "-subj",
            f"/CN={name}",
            "-keyout",
            folder / "key",
            "-out",
            folder / "certificate",
        ],
        check=True,
        capture_output=True,
    )
    return (folder / "certificate").read_text(), (folder / "key").read_text()


def test_a_group_has_a_client_certificate_and_authorities(page, group, watch, tmp_path):
    watch.expects(400)
    pem, key = certificate(tmp_path, "Works")
    open_page(page, group.url("members"), "Groups and members")
    card = page.locator("section", has=page.get_by_role("heading", name="How requests are secured"))
    expect(card).to_contain_text("None: receivers are verified by the installation's.")
    card.get_by_role("button", name="Change").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Client certificate").fill(pem)
    form.get_by_role("button", name="Save").click()
    expect(form).to_contain_text("is required: the certificate's key in PEM")
    form.get_by_label("Its key").fill(key)
    form.get_by_label("Further authorities").fill(pem)
    form.get_by_label("Oldest TLS").select_option("1.3")
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)
    expect(card.get_by_text("CN=Works")).to_have_count(4)
    expect(card).to_contain_text("Oldest TLS: 1.3")
    stored = group.api.get(f"/groups/{group.id}/tls")
    assert stored["client_certificate"]["private_key"] == "***" and stored["authorities"] == pem
    # The key is not shown, and stays where nothing is said of it.
    card.get_by_role("button", name="Change").click()
    expect(form.get_by_label("Its key")).to_have_value("")
    form.get_by_label("Further authorities").fill("")
    form.get_by_role("button", name="Save").click()
    expect(card.get_by_text("CN=Works")).to_have_count(2)


def test_a_webhook_has_a_client_certificate_and_compressed_bodies(page, group, tmp_path):
    pem, key = certificate(tmp_path, "Line 7")
    open_page(page, group.url("webhooks/new"), "New webhook")
    page.get_by_label("Name", exact=True).fill("Shown")
    page.get_by_label("Url", exact=True).fill(group.hookline.receiver)
    page.get_by_label("Body is sent").select_option("gzip")
    page.get_by_text("Client certificate in place of the group's").click()
    page.get_by_label("Client certificate").fill(pem)
    page.get_by_label("Its key").fill(key)
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("heading", level=1, name="Shown")).to_be_visible()
    webhook = group.api.get(f"/webhooks/{page.url.split('/')[-1]}")
    assert webhook["client_certificate"]["subject"] == "CN=Line 7" and webhook["compression"] == "gzip"
    open_page(page, f"{group.hookline.console}#/webhook/{webhook['id']}/edit", "Edit Shown")
    page.get_by_text("Client certificate in place of the group's").click()
    expect(page.get_by_label("Client certificate")).to_have_value(pem)
    expect(page.get_by_label("Its key")).to_have_value("")
