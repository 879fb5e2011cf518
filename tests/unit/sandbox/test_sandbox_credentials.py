"""Who may talk to a workspace, and in which region it lives."""

import pytest
from sandbox_client import Client, event

from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings

REGION = "/api/v1/accounts/region"
UNAUTHORIZED = {"meta": {"error": "Unauthorized request"}}


def test_the_region_check_names_the_sandbox_itself() -> None:
    assert Client().get(REGION) == {"url": "http://sandbox.test", "region": "us", "environment_id": 1}


@pytest.mark.parametrize("target", [("GET", REGION), ("POST", "/api/v2/batch"), ("PUT", "/api/v1/customers/u1")])
@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic !!!", "Bearer c2FuZGJveC1zaXRlOnNhbmRib3gta2V5", "Basic c2FuZGJveC1zaXRlOng="]
)
def test_wrong_credentials_are_unauthorized(target: tuple[str, str], authorization: str) -> None:
    client = Client()
    reply = client.request(*target, {"batch": [event()]}, {"authorization": authorization})
    assert (reply.status, reply.json) == (401, UNAUTHORIZED)
    assert client.people() == []
    assert client.get("/sandbox/requests")["totals"]["unauthorized"] == 1


def test_a_workspace_of_the_other_region_is_named_with_its_host_and_redirected() -> None:
    client = Client(SandboxSettings(workspaces=(WorkspaceSettings(region="eu", environment_id=7),)))
    assert client.get(REGION) == {"url": "https://track-eu.customer.io", "region": "eu", "environment_id": 7}
    reply = client.batch(event())
    assert reply.status == 301
    assert reply.headers["location"] == "https://track-eu.customer.io/api/v2/batch"
    assert client.people() == []


def test_a_sandbox_can_play_the_eu_host_and_a_workspace_can_name_any_url() -> None:
    settings = SandboxSettings(region="eu", workspaces=(WorkspaceSettings(region="eu", url="https://proxy.example"),))
    assert Client(settings).get(REGION)["url"] == "https://proxy.example"
    settings = SandboxSettings(region="eu", workspaces=(WorkspaceSettings(region="eu"),))
    assert Client(settings).get(REGION)["url"] == "http://sandbox.test"


def test_workspaces_share_nothing() -> None:
    two = (WorkspaceSettings(), WorkspaceSettings(site_id="other", api_key="k:with:colons"))
    client = Client(SandboxSettings(workspaces=two))
    client.accept(event("first"))
    client.credentials = ("other", "k:with:colons")
    client.accept(event("second"), event("third"))
    assert [found["name"] for found in client.events()] == ["first"]
    assert [found["name"] for found in client.events("?workspace=other")] == ["second", "third"]
    client.request("POST", "/sandbox/reset?workspace=other")
    assert client.events("?workspace=other") == []
    assert len(client.events()) == 1
    assert client.request("GET", "/sandbox/people?workspace=nobody").status == 404


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one workspace"):
        SandboxSettings(workspaces=())
    with pytest.raises(ValueError, match="same Site ID"):
        SandboxSettings(workspaces=(WorkspaceSettings(), WorkspaceSettings(api_key="x")))
    with pytest.raises(ValueError, match="at least one event"):
        SandboxSettings(kept_events=0)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", REGION, 405),
        ("GET", "/api/v2/batch", 405),
        ("GET", "/api/v2/entity", 405),
        ("GET", "/api/v1/customers/u1", 404),
        ("POST", "/api/v1/customers", 404),
        ("POST", "/api/v3/batch", 404),
        ("POST", "/api/v1/customers/%FF/events", 400),
    ],
)
def test_what_is_no_route_says_so(method: str, target: str, status: int) -> None:
    reply = Client().request(method, target)
    assert reply.status == status
    assert reply.json["meta"]["error"]
