"""The webhooks of an organization, and their copies in its groups."""

import uuid

import pytest
from conftest import open_page, picture, sign_in
from playwright.sync_api import expect
from test_grid import FAULTS
from test_quality import check, settle, sign_in_on_phone


class Org:
    """An organization with two groups of the user's."""

    def __init__(self, group):
        self.hookline = group.hookline
        self.id = str(uuid.uuid4())
        self.names = [f"{name} {group.user[-8:]}" for name in ["North", "South"]]
        drafts = [{"name": name, "org_id": self.id} for name in self.names]
        self.groups = [made["id"] for made in group.api.post("/groups", drafts)]

    def webhook(self, name="All plants", **fields):
        draft = {"name": name, "url": self.hookline.receiver, **fields}
        return self.hookline.root.post(f"/orgs/{self.id}/webhooks", [draft])[0]

    def url(self, section=""):
        return f"{self.hookline.console}#/org/{self.id}{section}"


@pytest.fixture
def org(group):
    return Org(group)


def copies(page):
    return page.get_by_role("table", name="Copies")


def test_root_makes_changes_and_deletes_what_all_groups_of_an_organization_have(new_page, hookline, group, org):
    page = new_page()
    sign_in(page, hookline, hookline.env["TOKEN"])
    sections = page.get_by_role("navigation", name="Sections")
    # A group by itself is of none.
    open_page(page, group.url("overview"), "Overview")
    expect(sections.get_by_role("link", name="Organization")).to_have_count(0)
    open_page(page, f"{hookline.console}#/{org.groups[0]}/overview", "Overview")
    sections.get_by_role("link", name="Organization").click()
    expect(page.get_by_role("heading", level=1, name="Organization")).to_be_visible()
    expect(page.get_by_text(org.id)).to_be_visible()
    page.get_by_role("link", name="Add the first webhook").click()

    expect(page.get_by_role("heading", level=1, name="New webhook")).to_be_visible()
    # What one group has is none of the others'.
    expect(page.get_by_label("External ids")).to_be_visible()
    expect(page.get_by_role("combobox", name="Things", exact=True)).to_have_count(0)
    expect(page.get_by_role("combobox", name="Profiles", exact=True)).to_have_count(0)
    page.get_by_label("Name", exact=True).fill("All plants")
    page.get_by_label("Url", exact=True).fill(hookline.receiver)
    preview = page.get_by_role("complementary", name="Preview")
    expect(preview).to_contain_text(f"As it is in the group “{org.names[0]}”.")
    expect(preview.get_by_label("Request", exact=True)).to_contain_text("POST")
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text("It works")).to_be_visible()
    page.get_by_role("button", name="Create webhook").click()

    expect(page.get_by_role("heading", level=1, name="All plants")).to_be_visible()
    for name in org.names:
        expect(copies(page).get_by_role("link", name=name)).to_be_visible()
    picture(page, "org-webhook")
    made = hookline.root.get(f"/orgs/{org.id}/webhooks")["webhooks"]
    assert [webhook["name"] for webhook in made] == ["All plants"]

    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Edit All plants")).to_be_visible()
    expect(preview.get_by_label("Request", exact=True)).to_contain_text("POST")
    # It would be signed by another key than its own.
    expect(page.get_by_role("heading", name="Try it out")).to_have_count(0)
    page.get_by_label("Description").fill("For all of them")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("For all of them")).to_be_visible()
    page.get_by_role("button", name="Disable", exact=True).click()
    expect(page.get_by_role("button", name="Enable", exact=True)).to_be_visible()
    for each in org.groups:
        [copy] = group.api.get(f"/groups/{each}/webhooks")["webhooks"]
        assert (copy["status"], copy["description"]) == ("DISABLED", "For all of them")

    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Organization").click()
    row = (
        page.get_by_role("table", name="Webhooks of the organization").get_by_role("row").filter(has_text="All plants")
    )
    expect(row).to_contain_text("Disabled")
    menu = page.get_by_role("button", name="Actions for All plants")
    menu.click()
    page.get_by_role("menuitem", name="Enable").click()
    expect(row).to_contain_text("Enabled")
    expect(menu).to_be_focused()
    picture(page, "org")
    menu.click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete “All plants”").click()
    expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()
    assert [group.api.get(f"/groups/{each}/webhooks")["total"] for each in org.groups] == [0, 0]


def test_a_group_sees_whose_a_copy_is_and_is_offered_no_change_of_it(new_page, page, group, org, watch):
    watch.expects(404)
    kept = org.webhook()
    group.api.post(f"/groups/{org.groups[0]}/webhooks", [{"name": "Its own", "url": group.hookline.receiver}])
    copies = group.api.get(f"/groups/{org.groups[0]}/webhooks?name=plants")["webhooks"]
    [copy] = [each["id"] for each in copies]
    console = group.hookline.console

    open_page(page, f"{console}#/{org.groups[0]}/webhooks", "Webhooks")
    expect(page.get_by_role("link", name="Organization", exact=True)).to_have_count(0)
    row = page.get_by_role("row").filter(has_text="All plants")
    expect(row).to_contain_text("The organization's")
    expect(page.get_by_role("button", name="Actions for Its own")).to_be_visible()
    expect(row.get_by_role("button")).to_have_count(0)
    expect(row.get_by_role("checkbox")).to_have_count(0)
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1, name="All plants")).to_be_visible()
    expect(page.get_by_text(org.id)).to_be_visible()
    expect(page.get_by_role("link", name="To the organization's webhook")).to_have_count(0)
    for name in ["Test", "Disable"]:
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="Edit", exact=True)).to_have_count(0)
    page.get_by_role("button", name="More actions").click()
    expect(page.get_by_role("menuitem")).to_have_text(["Send messages again"])
    page.keyboard.press("Escape")
    # Nor by an address.
    for place, title, said in [
        (f"webhook/{copy}/edit", "That did not work", "its admins change it"),
        (f"org/{org.id}", "Not found", "org not found"),
        (f"org/{org.id}/new", "Not found", "org not found"),
        (f"org-webhook/{kept['id']}", "Not found", "webhook not found"),
    ]:
        open_page(page, group.url("keys"), "API keys")
        open_page(page, f"{console}#/{place}", title)
        expect(page.get_by_text(said)).to_be_visible()

    root = new_page()
    sign_in(root, group.hookline, group.hookline.env["TOKEN"])
    open_page(root, f"{console}#/{org.groups[0]}/webhooks", "Webhooks")
    row = root.get_by_role("row").filter(has_text="All plants")
    expect(row.get_by_role("link", name="The organization's")).to_be_visible()
    row.get_by_role("link", name="All plants").click()
    root.get_by_role("link", name="To the organization's webhook").click()
    expect(root.get_by_role("table", name="Copies").get_by_role("link", name=org.names[0])).to_be_visible()
    root.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Organization").click()
    expect(root.get_by_role("heading", level=1, name="Organization")).to_be_visible()


def test_an_admin_who_is_in_none_of_its_groups_manages_an_organization(new_page, hookline, org):
    user = f"admin-{uuid.uuid4().hex[:8]}"
    hookline.root.put(f"/orgs/{org.id}/members", [{"member_id": user, "role": "admin"}])
    page = new_page()
    sign_in(page, hookline, hookline.token(user))
    sections = page.get_by_role("navigation", name="Sections").get_by_role("link")
    expect(sections).to_have_text(["Groups and members", "Organizations"])
    page.get_by_role("link", name="Organizations", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Organizations", exact=True)).to_be_visible()
    picture(page, "orgs")
    page.get_by_role("table", name="Organizations").get_by_role("link", name=org.id).click()
    expect(page.get_by_role("heading", level=1, name="Organization", exact=True)).to_be_visible()

    # The members.
    dialog = page.get_by_role("dialog")
    for name in ["anna", "ben"]:
        page.get_by_role("button", name="Add a member").click()
        dialog.get_by_label("User").fill(name)
        dialog.get_by_label("Role").select_option("viewer")
        dialog.get_by_role("button", name="Add").click()
        expect(page.get_by_label(f"Role of {name}")).to_have_value("viewer")
    page.get_by_label("Role of ben").select_option("admin")
    expect(page.get_by_text("ben is admin now")).to_be_visible()
    page.get_by_role("button", name="Remove anna").click()
    dialog.get_by_role("button", name="Remove “anna”").click()
    expect(page.get_by_label("Role of anna")).to_have_count(0)
    members = hookline.root.get(f"/orgs/{org.id}/members")["members"]
    assert {(each["member_id"], each["role"]) for each in members} == {(user, "admin"), ("ben", "admin")}

    # A webhook, of which the copies are seen and their pages, which are the groups', are not offered.
    page.get_by_role("link", name="Add the first webhook").click()
    expect(page.get_by_role("heading", level=1, name="New webhook")).to_be_visible()
    preview = page.get_by_role("complementary", name="Preview")
    expect(preview).to_contain_text("None of its groups is yours to change")
    expect(page.get_by_role("heading", name="Try it out")).to_have_count(0)
    page.get_by_label("Name", exact=True).fill("All plants")
    page.get_by_label("Url", exact=True).fill(hookline.receiver)
    page.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("heading", level=1, name="All plants")).to_be_visible()
    for name in org.names:
        expect(copies(page).get_by_text(name, exact=True)).to_be_visible()
    expect(copies(page).get_by_role("link")).to_have_count(0)
    page.get_by_role("button", name="Disable", exact=True).click()
    expect(page.get_by_role("button", name="Enable", exact=True)).to_be_visible()

    # Whoever leaves is offered no organization any more.
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Organization").click()
    page.get_by_role("button", name="Leave the organization").click()
    dialog.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", name="You are in no organization")).to_be_visible()
    expect(sections).to_have_text(["Groups and members"])


def test_a_viewer_of_an_organization_is_offered_no_change_of_it(new_page, hookline, org):
    kept = org.webhook(headers={"X-Api-Key": "s3cret"})
    user = f"viewer-{uuid.uuid4().hex[:8]}"
    hookline.root.put(f"/orgs/{org.id}/members", [{"member_id": user, "role": "viewer"}])
    page = new_page()
    sign_in(page, hookline, hookline.token(user))
    open_page(page, org.url(), "Organization")
    row = (
        page.get_by_role("table", name="Webhooks of the organization").get_by_role("row").filter(has_text="All plants")
    )
    expect(row).to_be_visible()
    expect(row.get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("link", name="New webhook")).to_have_count(0)
    table = page.get_by_role("table", name="Members of the organization")
    expect(table.locator("tbody .name")).to_have_text([f"{user} (you)"])
    expect(page.get_by_role("button", name="Add a member")).to_have_count(0)
    expect(page.get_by_label(f"Role of {user}")).to_have_count(0)
    expect(page.get_by_role("button", name="Leave the organization")).to_be_visible()
    row.get_by_role("link", name="All plants").click()
    expect(page.get_by_role("heading", level=1, name="All plants")).to_be_visible()
    expect(copies(page).get_by_text(org.names[0], exact=True)).to_be_visible()
    for name in ["Disable", "Show", "More actions"]:
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="Edit", exact=True)).to_have_count(0)
    # Nor by an address.
    for place in [f"org/{org.id}/new", f"org-webhook/{kept['id']}/edit"]:
        open_page(page, org.url(), "Organization")
        open_page(page, f"{hookline.console}#/{place}", "That did not work")
        expect(page.get_by_text("are changed by its admins")).to_be_visible()


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_an_organizations_pages_are_accessible_and_fit(new_page, hookline, org, width):
    made = org.webhook("A webhook whose name is about as long as the names that people give to them")
    org.webhook("Off", status="DISABLED")
    members = [("a-viewer", "viewer"), ("somebody@example.com with a long name", "admin")]
    hookline.root.put(f"/orgs/{org.id}/members", [{"member_id": id, "role": role} for id, role in members])
    page = new_page(viewport={"width": width, "height": 900})
    (sign_in_on_phone if width <= 768 else sign_in)(page, hookline, hookline.env["TOKEN"])
    open_page(page, f"{hookline.console}#/{org.groups[0]}/org", "Organization")
    for url, title in [
        (org.url(), "Organization"),
        (f"{hookline.console}#/org-webhook/{made['id']}", made["name"]),
        (org.url("/new"), "New webhook"),
        (f"{hookline.console}#/orgs", "Organizations"),
    ]:
        open_page(page, url, title)
        settle(page)
        check(page, f"{title}, {width}")
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{title} is {overflow} pixels too wide"
        # The form is looked at with those of groups.
        if title != "New webhook":
            assert page.evaluate(FAULTS) == [], title
        picture(page, f"org-{title.lower().replace(' ', '-')[:20]}-{width}")
