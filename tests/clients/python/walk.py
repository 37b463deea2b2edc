"""Microsoft's Python client, unmodified, with the proxy as organization URL and our key as personal access token."""

import io
import os

import requests
from azure.devops.connection import Connection
from azure.devops.v7_1.git.models import GitPullRequestSearchCriteria
from azure.devops.v7_1.pipelines.models import RunPipelineParameters
from azure.devops.v7_1.work_item_tracking.models import JsonPatchOperation, Wiql
from msrest.authentication import BasicAuthentication

ORGANIZATION_URL = os.environ["ORGANIZATION_URL"]
PATHS_ARE_DECODED = os.environ["PATHS"] == "decoded"
PROJECT = "Website"


def main():
    connection = Connection(ORGANIZATION_URL, BasicAuthentication("", os.environ["API_KEY"]))
    clients = connection.clients_v7_1

    locations = clients.get_location_client()
    gateway = ORGANIZATION_URL.split("/dev.azure.com")[0]
    data = locations.get_connection_data(connect_options="includeServices")
    user = data.authenticated_user.provider_display_name
    assert "Ada" in user, user
    services = data.location_service_data
    addresses = [mapping.access_point for mapping in services.access_mappings]
    for definition in services.service_definitions:
        addresses += [mapping.location for mapping in definition.location_mappings]
    assert len(addresses) > 1 and all(address.startswith(gateway) for address in addresses), addresses
    step("signed in", user)
    areas = locations.get_resource_areas()
    assert all(area.location_url.startswith(gateway) for area in areas)
    step("resource areas", len(areas))
    # Above the organizations: an area that Azure DevOps does not list for any of them.
    profile = clients.get_profile_client().get_profile("me")
    assert len(profile.id) == 36, profile.id
    step("profile", profile.id)

    core = clients.get_core_client()
    names, page = set(), None
    while page is None or page:
        page = core.get_projects(top=100, skip=len(names))
        names.update(project.name for project in page)
    assert len(names) == 1000, len(names)
    step("projects, page by page", len(names))

    git = clients.get_git_client()
    repositories = git.get_repositories(PROJECT)
    assert repositories[0].name == PROJECT
    step("repositories", len(repositories))
    wanted = GitPullRequestSearchCriteria(status="all")
    pull_requests = git.get_pull_requests(repositories[0].id, wanted, project=PROJECT)
    assert pull_requests and pull_requests[0].title
    step("pull requests", len(pull_requests))

    work_items(clients.get_work_item_tracking_client())
    encoded_names(clients)

    pipelines = clients.get_pipelines_client()
    pipeline = pipelines.list_pipelines(PROJECT)[0]
    run = pipelines.run_pipeline(RunPipelineParameters(), PROJECT, pipeline.id)
    assert run.id > 0
    step("pipeline run", run.id)


def work_items(wit):
    def put(path, value, op="add"):
        return JsonPatchOperation(op=op, path=path, value=value)

    title = f"From Python, übermäßig {os.getpid()}"
    created = wit.create_work_item([put("/fields/System.Title", title)], PROJECT, "Task")
    assert wit.get_work_item(created.id).fields["System.Title"] == title
    changes = [put("/rev", created.rev, "test"), put("/fields/System.State", "Active")]
    assert wit.update_work_item(changes, created.id).fields["System.State"] == "Active"
    query = f"SELECT [System.Id] FROM WorkItems WHERE [System.Title] = '{title}'"
    found = wit.query_by_wiql(Wiql(query=query)).work_items
    assert [item.id for item in found] == [created.id]
    step("work item", created.id)

    content = bytes(i * 2654435761 % 251 for i in range(1_000_000))
    file = wit.create_attachment(io.BytesIO(content), PROJECT, file_name="a.bin")
    received = b"".join(wit.get_attachment_content(file.id, PROJECT))
    assert received == content, "the attachment is not what it was"
    step("attachment, bytes", len(content))


def arrives(name):
    """Where the front decodes paths, a question mark in a name ends the path, and a percent sign is refused."""
    return not PATHS_ARE_DECODED or not ("?" in name or "%" in name)


def encoded_names(clients):
    """Route values that this client encodes whole, and an address that Azure DevOps made itself."""
    wit = clients.get_work_item_tracking_client()
    area = wit.get_classification_node(PROJECT, "Areas", "Parent/Child")
    assert area.name == "Child", area.name
    if arrives("R&D; 50% more"):
        assert wit.get_classification_node(PROJECT, "Areas", "R&D; 50% more").name == "R&D; 50% more"
    step("area node", area.path)
    for path in filter(arrives, ["Shared Queries/Open bugs", "Shared Queries/Why?", "Shared Queries/100% done"]):
        assert wit.get_query(PROJECT, path).path == path
        step("stored query", path)
    for name in filter(arrives, ["C#", "ready?", "50%"]):
        assert wit.get_tag(PROJECT, name).name == name
    step("tag", "C#")

    wiki = clients.get_wiki_client()
    page = wiki.get_page(PROJECT, f"{PROJECT}.wiki", path="/Home/Onboarding guide").page
    assert page.url.endswith("%2FHome%2FOnboarding%2520guide"), page.url
    proxied = page.url.replace("https://", ORGANIZATION_URL.split("/dev.azure.com")[0] + "/")
    found = requests.get(proxied, auth=("", os.environ["API_KEY"]), timeout=60)
    assert found.json()["path"] == "/Home/Onboarding guide", found.text
    step("wiki page by its url", found.json()["path"])

    build = clients.get_build_client()
    folders = [folder.path for folder in build.get_folders(PROJECT, "\\Team\\Nightly")]
    assert folders == ["\\Team\\Nightly"], folders
    step("build folder", folders[0])
    archive = b"".join(build.get_artifact_content_zip(PROJECT, 41, "drop"))
    assert archive.startswith(b"PK"), archive[:100]
    step("artifact, bytes", len(archive))


def step(what, result):
    print(f"  python: {what}: {result}", flush=True)


main()
