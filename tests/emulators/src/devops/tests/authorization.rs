//! Tokens, tenants, memberships, scopes, discovery, headers, limits.

use super::*;
use crate::{Fault, Page};

const PROJECTS: &str = "https://dev.azure.com/mycompany/_apis/projects?api-version=7.1";

#[tokio::test]
async fn bad_tokens_meet_401_suppressed_and_203_or_302_otherwise() {
    let mut world = world(&["user_impersonation"]).await;
    let good = std::mem::replace(&mut world.token, "nonsense".into());
    let refused = world.call("GET", PROJECTS).await;
    assert_eq!(refused.type_key(), "UnauthorizedRequestException");
    assert!(refused.text().contains("'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa'"));
    assert!(refused.header("x-tfs-serviceerror").contains("aaaaaaaa%2Daaaa"));
    let challenges: Vec<_> = refused.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges.len(), 3);
    assert_eq!(
        challenges[0],
        &format!("Bearer authorization_uri=https://login.windows.net/{TENANT_A}")
    );

    let url = format!("{}/mycompany/_apis/projects", world.devops.base_url());
    let page = send(signing_in::http().get(&url).bearer_auth("nonsense")).await;
    assert_eq!(page.status, 203);
    assert!(page.text().contains("Azure DevOps Services | Sign In"));
    let patch = send(signing_in::http().patch(&url).bearer_auth("nonsense")).await;
    assert_eq!((patch.status, patch.type_key().as_str()), (401, "UnauthorizedRequestException"));
    world.devops.change_settings(|settings| settings.sign_in = SignIn::Redirect302);
    let redirect = send(signing_in::http().get(&url)).await;
    assert_eq!(redirect.status, 302);
    assert!(redirect.header("location").contains("/_signin?"));

    world.token = good;
    assert_eq!(world.call("GET", PROJECTS).await.status, 200);
    world.entra.advance_clock(4200);
    let expired = world.call("GET", PROJECTS).await;
    assert_eq!((expired.status, expired.bytes.len()), (401, 0));
    assert!(expired.header("x-tfs-fedauthredirect").contains("/_signin?"));
}

#[tokio::test]
async fn refusals_are_pages_with_escapes_or_compressed_where_the_client_asks_for_it() {
    let world = world(&["user_impersonation"]).await;
    world.devops.remove_member("mycompany", "ada").unwrap();
    let page = world.request("GET", PROJECTS).header("accept", "text/html,*/*");
    let page = send(page).await;
    assert_eq!((page.status, page.header("content-type")), (401, "text/html; charset=utf-8"));
    assert!(page.text().contains("<title>TF400813: The user &#39;"), "{}", page.text());
    for (accepted, encoding) in
        [("gzip", "gzip"), ("zstd, deflate;q=0.5", "deflate"), ("br, gzip", "br"), ("zstd", "")]
    {
        let refused = world.request("GET", PROJECTS).header("accept-encoding", accepted);
        let refused = send(refused).await;
        assert_eq!((refused.status, refused.header("content-encoding")), (401, encoding));
    }
}

#[tokio::test]
async fn access_tokens_can_be_revoked_and_basic_passwords_count_as_bearers() {
    let world = world(&["user_impersonation"]).await;
    let url = format!("{}/mycompany/_apis/projects", world.devops.base_url());
    let basic = send(signing_in::http().get(&url).basic_auth("", Some(&world.token))).await;
    assert_eq!(basic.status, 200);
    world.entra.revoke_access_tokens("ada").unwrap();
    assert_eq!(world.call("GET", PROJECTS).await.status, 401);
}

#[tokio::test]
async fn a_challenge_is_answered_by_refreshing_with_its_claims() {
    use base64::Engine as _;
    let mut world = world(&["user_impersonation"]).await;
    let capability = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
    let scope = format!("openid offline_access {}/user_impersonation", crate::AZURE_DEVOPS);
    let changes = [("claims", capability), ("scope", scope.as_str())];
    let code = signing_in::code(&world.entra, "organizations", "ada", &changes).await;
    let body = signing_in::redeem(&world.entra, "organizations", &code).await;
    signing_in::text(&body, "access_token").clone_into(&mut world.token);
    let claims = world.entra.challenge("ada", None).unwrap();
    let refused = world.call("GET", PROJECTS).await;
    assert_eq!(refused.status, 401);
    let header = refused.header("www-authenticate");
    assert!(header.contains("error=\"insufficient_claims\""));
    let encoded = base64::engine::general_purpose::STANDARD.encode(&claims);
    assert!(header.contains(&format!("claims=\"{encoded}\"")));

    let refresh_token = signing_in::text(&body, "refresh_token");
    for (sent, status) in [("", 401), (claims.as_str(), 200), ("", 200)] {
        let (_, body) =
            signing_in::refresh(&world.entra, "organizations", refresh_token, &[("claims", sent)])
                .await;
        signing_in::text(&body, "access_token").clone_into(&mut world.token);
        assert_eq!(world.call("GET", PROJECTS).await.status, status, "{sent}");
    }
}

#[tokio::test]
async fn only_members_of_the_organization_in_its_own_tenant_get_in() {
    let mut world = world(&["user_impersonation"]).await;
    for (url, status) in [
        ("https://dev.azure.com/fabrikam/_apis/projects", 200),
        ("https://dev.azure.com/contoso/_apis/projects", 401),
        ("https://dev.azure.com/nowhere/_apis/projects", 404),
        ("https://mycompany.visualstudio.com/_apis/projects", 200),
        ("https://mycompany.visualstudio.com/DefaultCollection/_apis/projects", 200),
        ("https://dev.azure.com/MYCOMPANY/_APIS/Projects", 200),
        ("https://evil.example/mycompany/_apis/projects", 404),
    ] {
        assert_eq!(world.call("GET", url).await.status, status, "{url}");
    }
    let refused = world.call("GET", "https://dev.azure.com/contoso/_apis/projects").await;
    assert!(refused.text().contains("TF400813"));
    world.token =
        access_token(&world.entra, "organizations", "alan", &["user_impersonation"]).await;
    assert_eq!(world.call("GET", PROJECTS).await.type_key(), "UnauthorizedRequestException");
    world.devops.change_settings(|settings| settings.non_member_status = 403);
    assert_eq!(world.call("GET", PROJECTS).await.status, 403);
    world.devops.add_member("mycompany", "alan", Access::Reader).unwrap();
    assert_eq!(world.call("GET", PROJECTS).await.status, 200);

    // A guest needs a token of the resource tenant.
    for (tenant, status) in [("organizations", 403), ("mycompany.example", 200)] {
        world.token = access_token(&world.entra, tenant, "barbara", &["user_impersonation"]).await;
        let got = world.call("GET", "https://dev.azure.com/fabrikam/_apis/projects").await;
        assert_eq!(got.status, status, "{tenant}");
    }
}

#[tokio::test]
async fn scopes_and_access_decide_what_a_token_may_do() {
    let mut world = world(&["vso.code"]).await;
    assert_eq!(world.get("_apis/git/repositories").await.status, 200);
    assert_eq!(world.get("_apis/projects").await.status, 200, "vso.code includes vso.profile");
    let silent = world.get("Website/_apis/wit/workItems/1").await;
    assert_eq!((silent.status, silent.bytes.len(), silent.header("x-vss-userdata")), (401, 0, ""));
    assert_eq!(silent.headers.get_all("www-authenticate").iter().count(), 3);
    assert_eq!(world.get("Website/_apis/build/builds").await.status, 401);
    assert_eq!(world.get("_apis/connectionData").await.status, 200);
    let refs = serde_json::json!([]);
    assert_eq!(
        world.send_json("POST", "_apis/git/repositories/Website/refs", &refs).await.status,
        401
    );
    world.token =
        access_token(&world.entra, "organizations", "grace", &["user_impersonation"]).await;
    assert_eq!(
        world.send_json("POST", "_apis/git/repositories/Website/refs", &refs).await.status,
        403
    );
    assert_eq!(world.get("_apis/git/repositories/Website/refs").await.status, 200);
}

#[tokio::test]
async fn the_tenant_of_an_organization_is_found_without_credentials() {
    let world = world(&["user_impersonation"]).await;
    let probe = |host: &'static str, path: &'static str| {
        let url = format!("{}/{path}", world.devops.base_url());
        send(signing_in::http().head(url).header("host", host))
    };
    let found = probe("vssps.dev.azure.com", "mycompany").await;
    assert_eq!(
        (found.status, found.header("x-vss-resourcetenant")),
        (404, TENANT_A.to_string().as_str())
    );
    assert_eq!(probe("dev.azure.com", "mycompany").await.status, 401);
    let unknown = probe("vssps.dev.azure.com", "nowhere").await;
    assert_eq!((unknown.status, unknown.header("x-vss-resourcetenant")), (404, ""));
    assert_eq!(world.devops.count("organization_probe"), 3);
}

#[tokio::test]
async fn clients_discover_areas_and_locations() {
    let world = world(&["user_impersonation"]).await;
    let data = world.get("_apis/connectionData?connectOptions=1").await.json();
    assert_eq!(
        data["authenticatedUser"]["properties"]["Account"]["$value"],
        "ada@mycompany.example"
    );
    assert!(data["authenticatedUser"]["subjectDescriptor"].as_str().unwrap().starts_with("aad."));
    assert_eq!(data["deploymentType"], "hosted");
    let mappings = &data["locationServiceData"]["accessMappings"];
    assert_eq!(mappings[0]["accessPoint"], "https://dev.azure.com/mycompany/");
    let areas = world.get("_apis/ResourceAreas").await.json();
    let areas = areas["value"].as_array().unwrap().clone();
    let location =
        |name: &str| areas.iter().find(|area| area["name"] == name).unwrap()["locationUrl"].clone();
    assert_eq!(location("git"), "https://dev.azure.com/mycompany/");
    assert_eq!(location("Release"), "https://vsrm.dev.azure.com/mycompany/");
    for family in hosts::FAMILIES.iter().filter(|family| !family.is_empty()) {
        let url = format!("https://{family}.dev.azure.com/mycompany/");
        assert!(areas.iter().any(|area| area["locationUrl"] == url), "{family}");
    }
    let one = world.get("_apis/resourceAreas/4e080c62-fa21-4fbc-8fef-2a10a2b38049").await.json();
    assert_eq!(one["name"], "git");
    let options =
        world.call("OPTIONS", "https://dev.azure.com/mycompany/_apis/Location").await.json();
    assert_eq!(options["value"][0]["id"], "e81700f7-3be2-46de-8624-2eb35882fcaa");
    assert!(world.call("OPTIONS", "https://dev.azure.com/mycompany/_apis").await.count() > 20);
    assert!(world.call("OPTIONS", "https://dev.azure.com/_apis").await.count() > 20);
    let profile_area = "https://app.vssps.visualstudio.com/_apis/resourceAreas/8ccfef3d-2b87-4e99-8ccb-66e343d2daa8";
    let area = world.call("GET", profile_area).await.json();
    assert_eq!(area["locationUrl"], "https://app.vssps.visualstudio.com/");
    let sps = "_apis/ServiceDefinitions/LocationService2/951917AC-A960-4999-8464-E3F0AA25B381";
    assert_eq!(
        world.get(sps).await.json()["locationMappings"][0]["location"],
        "https://vssps.dev.azure.com/mycompany/"
    );
}

#[tokio::test]
async fn areas_and_locations_are_found_without_an_organization_and_without_a_token() {
    let world = world(&["user_impersonation"]).await;
    let anonymous = async |method: &str, host: &'static str, path: &str| {
        let url = format!("{}/{path}", world.devops.base_url());
        send(signing_in::http().request(method.parse().unwrap(), url).header("host", host)).await
    };
    let id = world.get("_apis/connectionData").await.json()["instanceId"].clone();
    let git = "_apis/resourceAreas/4e080c62-fa21-4fbc-8fef-2a10a2b38049";
    for host in ["dev.azure.com", "app.vssps.visualstudio.com"] {
        assert!(anonymous("OPTIONS", host, "_apis").await.count() > 20, "{host}");
        assert_eq!(anonymous("OPTIONS", host, "_apis/profile").await.count(), 1, "{host}");
        let areas = anonymous("GET", host, "_apis/ResourceAreas").await;
        assert_eq!(areas.count(), 2, "{host}");
        assert_eq!(areas.json()["value"][1]["name"], "Account");
        let account = "_apis/resourceAreas/0D55247A-1c47-4462-9b1f-5e2125590ee6";
        let account = anonymous("GET", host, account).await.json();
        assert_eq!(account["locationUrl"], "https://app.vssps.visualstudio.com/");
        for query in
            ["accountName=mycompany".to_owned(), format!("hostId={}", id.as_str().unwrap())]
        {
            let area = anonymous("GET", host, &format!("{git}?{query}")).await.json();
            assert_eq!(area["locationUrl"], "https://dev.azure.com/mycompany/", "{host} {query}");
        }
        assert_eq!(anonymous("GET", host, git).await.json(), Value::Null, "{host}");
        assert_ne!(anonymous("GET", host, "_apis/connectionData").await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn profile_and_accounts_return_the_user_and_the_organizations() {
    let world = world(&["vso.profile"]).await;
    let me = world
        .call("GET", "https://app.vssps.visualstudio.com/_apis/profile/profiles/me")
        .await
        .json();
    assert_eq!(me["emailAddress"], "ada@mycompany.example");
    let accounts = async |query: String| {
        let url = format!("https://app.vssps.visualstudio.com/_apis/accounts{query}");
        world.call("GET", &url).await
    };
    let found = accounts(format!("?memberId={}", me["id"].as_str().unwrap())).await;
    let names: Vec<_> = found.json()["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["accountName"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["mycompany", "fabrikam"]);
    assert_eq!(accounts(String::new()).await.status, 400);
    let health = send(
        signing_in::http()
            .get(format!("{}/_apis/status/health", world.devops.base_url()))
            .header("host", "status.dev.azure.com"),
    )
    .await;
    assert_eq!(health.json()["status"]["health"], "healthy");
}

#[tokio::test]
async fn answers_carry_the_usual_headers_and_echo_the_version() {
    let world = world(&["user_impersonation"]).await;
    let got = send(world.request("GET", PROJECTS).header("x-tfs-session", "a-session")).await;
    assert_eq!(got.header("content-type"), "application/json; charset=utf-8; api-version=7.1");
    assert_eq!(got.header("x-tfs-session"), "a-session");
    assert_eq!(got.header("activityid"), got.header("x-vss-e2eid"));
    assert!(got.header("x-vss-userdata").ends_with(":ada@mycompany.example"));
    assert_eq!(got.header("transfer-encoding"), "chunked");
    let request = world
        .request("GET", "https://dev.azure.com/mycompany/_apis/projects")
        .header("accept", "application/json;api-version=5.0-preview.1");
    let by_accept = send(request).await;
    assert!(by_accept.header("content-type").ends_with("api-version=5.0-preview.1"));
    assert_eq!(
        world.get("_apis/projects?api-version=99.9").await.type_key(),
        "VssVersionOutOfRangeException"
    );
}

#[tokio::test]
async fn limits_blocks_and_deactivation_look_like_azure_devops() {
    let world = world(&["user_impersonation"]).await;
    world.devops.change_settings(|settings| {
        settings.rate_limit = Some(RateLimit {
            delay: Some("1.250".into()),
            retry_after: Some(12),
            ..RateLimit::default()
        });
    });
    let limited = world.call("GET", PROJECTS).await;
    assert_eq!(limited.status, 200);
    assert_eq!(limited.header("retry-after"), "12");
    assert_eq!(limited.header("x-ratelimit-delay"), "1.250");
    assert_eq!(limited.header("x-ratelimit-limit"), "200");
    world.devops.inject(Fault::on("projects").status(429).retry_after(3));
    let blocked = world.call("GET", PROJECTS).await;
    assert_eq!((blocked.status, blocked.type_key().as_str()), (429, "RequestBlockedException"));
    assert!(blocked.text().contains("TF400733"));
    assert_eq!(blocked.header("retry-after"), "3");
    for (page, status) in
        [(Page::SignIn203, 203), (Page::SignIn302, 302), (Page::Unavailable503, 503)]
    {
        world.devops.inject(Fault::on("*").page(page));
        assert_eq!(world.call("GET", PROJECTS).await.status, status);
    }
    world.devops.inject(
        Fault::on("projects").header("content-encoding", "gzip").body_bytes(&[0x1f, 0x8b, 0]),
    );
    let raw = world.call("GET", PROJECTS).await;
    assert_eq!(
        (raw.header("content-encoding"), raw.bytes.as_slice()),
        ("gzip", [0x1f, 0x8b, 0].as_slice())
    );
    world.devops.set_stopped("mycompany", true).unwrap();
    let stopped = world.call("GET", PROJECTS).await;
    assert_eq!(stopped.status, 503);
    assert!(stopped.bytes.starts_with("\u{feff}".as_bytes()));
    assert_eq!(stopped.header("activityid"), "");
    world.devops.set_stopped("mycompany", false).unwrap();
    world.devops.change_settings(|settings| settings.conditional_access_blocks = true);
    assert!(world.call("GET", PROJECTS).await.text().contains("VS403463"));
}

#[tokio::test]
async fn requests_are_recorded_as_they_came() {
    let world = world(&["user_impersonation"]).await;
    let url = "https://dev.azure.com/mycompany/Payments%20Service/_apis/git/repositories?x=%2f&y=a+b&$top=1";
    assert_eq!(world.call("GET", url).await.status, 200);
    assert_eq!(
        world.call("GET", "https://dev.azure.com/mycompany/_apis/nothing/here").await.status,
        404
    );
    let requests = world.devops.requests();
    assert_eq!(
        requests[0].target,
        "/mycompany/Payments%20Service/_apis/git/repositories?x=%2f&y=a+b&$top=1"
    );
    assert_eq!(requests[0].path(), "/mycompany/Payments%20Service/_apis/git/repositories");
    assert_eq!(requests[0].query(), Some("x=%2f&y=a+b&$top=1"));
    assert_eq!(requests[0].host, "dev.azure.com");
    assert_eq!(requests[0].header("x-tfs-fedauthredirect"), Some("Suppress"));
    assert_eq!(
        (requests[0].route.as_str(), requests[0].status),
        ("git.repositories.list", Some(200))
    );
    assert_eq!((requests[1].route.as_str(), requests[1].status), ("unknown", Some(404)));
    assert_eq!(world.devops.count("git"), 1);
    world.devops.reset_counts();
    assert_eq!(world.devops.count("*"), 0);
    let listed: Value = signing_in::http()
        .get(format!("{}/_emulator/organizations", world.devops.base_url()))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(listed[0]["name"], "mycompany");
}

#[tokio::test]
async fn apps_get_in_by_membership_whatever_their_scopes() {
    let mut world = world(&["user_impersonation"]).await;
    let scope = format!("{}/.default", crate::AZURE_DEVOPS);
    let fields = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    let (_, body, _) = signing_in::token(&world.entra, &TENANT_A.to_string(), &fields).await;
    signing_in::text(&body, "access_token").clone_into(&mut world.token);
    assert_eq!(world.call("GET", PROJECTS).await.status, 401);
    let app = entra::DEFAULT_CLIENT_ID.to_string();
    world.devops.add_member("mycompany", &app, Access::Contributor).unwrap();
    assert_eq!(world.call("GET", PROJECTS).await.status, 200);
}
