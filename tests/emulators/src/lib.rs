//! Stand-ins of Microsoft Entra ID and Azure DevOps Services, over real HTTP.
//!
//! Tests and the local stack use these in place of Microsoft: the same paths, parameters, headers, bodies and refusals,
//! with known accounts, faults on request, and a record of every request. They are independent of the service under
//! test, keep all state in memory, and are for loopback only: the admin routes require no credentials.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use emulators::{AzureDevOps, AzureDevOpsOptions, Entra, EntraOptions, Fault};
//! use tokio::net::TcpListener;
//!
//! let options = EntraOptions::redirecting_to("http://localhost:8080/integration-callback");
//! let entra = Entra::start(TcpListener::bind("127.0.0.1:0").await?, options)?;
//! let devops = AzureDevOps::start(TcpListener::bind("127.0.0.1:0").await?, &entra, AzureDevOpsOptions::default())?;
//!
//! let held = entra.inject(Fault::on("token.refresh_token").hold());
//! // … something refreshes …
//! held.arrived(1).await;
//! held.release();
//! assert_eq!(devops.count("projects.list"), 0);
//! # Ok(()) }
//! ```
//!
//! # The marker
//!
//! Every access token, refresh token, authorization code, ID token and generated client secret contains [`MARKER`]
//! literally (ID tokens because their claims contain [`MARKER_DECODED`] at the right offset). `Entra::secrets_issued`
//! lists all of them, with registered secrets, for searches of other encodings.
//!
//! # Entra
//!
//! Its base URL takes the place of `https://login.microsoftonline.com`. Default app: client id
//! [`entra::DEFAULT_CLIENT_ID`], secret [`entra::DEFAULT_CLIENT_SECRET`], registered in tenant A, multitenant,
//! redirect URIs as started with. Every app signs in with its secrets (form or Basic), certificates (PS256 with
//! `x5t#S256`, or RS256 with `x5t`) or federated credentials.
//!
//! | account (`account` in the form) | sign-in name | tenant | organizations |
//! | --- | --- | --- | --- |
//! | `ada`, administrator | `ada@mycompany.example` | A `a1a1a1a1-0000-4000-8000-00000000000a` | `mycompany`, `fabrikam` |
//! | `grace` | `grace@mycompany.example` | A | `mycompany`, reading only |
//! | `alan` | `alan@mycompany.example` | A | none |
//! | `edsger`, administrator | `edsger@contoso.example` | B `b2b2b2b2-0000-4000-8000-00000000000b` | `contoso` |
//! | `barbara` | `barbara@contoso.example` | B, guest in A | `contoso`; as a guest through A: `fabrikam` |
//! | `katherine` | `katherine@personal.example` | personal Microsoft account | refused (AADSTS500200) |
//!
//! Tenants are also known as `mycompany.example` and `contoso.example`.
//!
//! **Signing in without a browser**: take the authorize URL, put `/decision` after `/authorize`, keep the query, and
//! POST `account=ada&action=approve` as a form. The answer is the 302 to the redirect URI with `code`, `state` and
//! `session_state`. `account` is optional if `login_hint` names one. `prompt=none` with a `login_hint` answers
//! the 302 at once. Other values of `action`: `cancel`, `consent_required`, `admin_approval_required`,
//! `admin_approval_pending`, `interaction_required`, `login_required`, `not_assigned`, `blocked`, `server_error`,
//! `temporarily_unavailable`, and `error` with form fields `error`, `code`, `suberror`, `claims`. The page that GET
//! returns has the same forms. Admin consent works the same way: `/{tenant}/adminconsent/decision?…`.
//!
//! Route names for counts and faults: `metadata`, `keys`, `authorize`, `decision`, `token.authorization_code`,
//! `token.refresh_token`, `token.client_credentials`, `adminconsent`, `adminconsent.decision`, `logout`, `unknown`.
//! A name covers the names below it: `token` means all three grants.
//!
//! # Azure DevOps
//!
//! One server for all hosts: the `Host` header has the real name; a loopback name means `dev.azure.com`.
//! Organizations `mycompany` (projects `Website`, `Payments Service`, `Data Platform`), `fabrikam` (`Fabrikam Fiber`) in
//! tenant A, `contoso` (`Portal`) in tenant B. `Website` has a repository with `README.md`, `src/…`, a binary file,
//! branches `main`, `docs` and `feature/login`, pull request 1, work items 1 to 5, definitions 12 and 13, builds 41 to 45,
//! wiki page `/Home`. Wiki pages are changed with `If-Match`; attachments are read in parts with `Range`; `items` answers a
//! folder as an archive with `$format=zip`.
//!
//! Route names: `connection_data`, `resource_areas.{list,get}`, `service_definitions`, `options`, `options.area`,
//! `organization_probe`, `projects.{list,get,create,delete}`, `teams.{all,list}`, `operations.get`,
//! `git.repositories.{list,create,get,delete}`, `git.refs.{list,update}`, `git.items.get`, `git.commits.{list,get,changes}`,
//! `git.{diffs,blobs}.get`, `git.pullrequestquery`, `git.iterations.{list,changes}`, `git.{labels,workitems,statuses}.list`,
//! `git.reviewers.{add,set,remove}`, `git.comments.{create,update}`, `policy.evaluations.list`,
//! `git.pushes.{list,create}`, `git.pullrequests.{list,create,get,update}`, `git.threads.{list,create,update}`,
//! `git.http.{refs,upload_pack,receive_pack}`,
//! `wit.workitems.{list,get,create,update,delete,batch}`, `wit.batch`, `wit.wiql`, `wit.wiql.saved`, `wit.updates.list`,
//! `wit.comments.{list,create,update}`, `wit.fields.list`, `wit.types.{list,get,fields}`, `wit.queries.{list,get}`,
//! `wit.nodes.{get,create}`, `wit.attachments.{create,chunk,get}`, `work.settings.get`, `work.fields.get`,
//! `work.iterations.{list,add}`, `work.daysoff.get`, `work.capacities.{list,set}`, `work.iterationcapacities.get`,
//! `work.backlogs.{list,items}`, `work.order.set`, `search.{code,workitems,wiki,commits}`, `alerts.{list,get}`,
//! `testplan.plans.{list,create}`, `testplan.suites.{list,create}`, `testplan.cases.{list,add}`, `test.runs.list`,
//! `test.results.list`,
//! `build.builds.{list,queue,get,update}`, `build.logs.{list,get}`, `build.definitions.{list,get,update}`,
//! `build.{timeline,artifacts}.get`, `build.changes.list`, `build.stages.update`,
//! `wiki.wikis.{list,get}`, `wiki.pages.{get,put,update,delete}`, `pipelines.{list,get,create}`,
//! `pipelines.runs.{list,create,get}`, `graph.users`, `identities`, `userentitlements`, `profile`, `accounts`, `status`,
//! `tokens.pats.{list,create}`, `token.sessiontokens.create`, `contribution.hierarchyquery`, `hooks.subscriptions.create`,
//! `deployment.{options,connection_data}`, `deployment.resource_areas.{list,get}`, `unknown`, `unknown_host`.
//!
//! **Refusals** have the shapes of Azure DevOps. With `X-TFS-FedAuthRedirect: Suppress` a dead token meets 401 without a
//! body, an unreadable one TF400813 for the anonymous identity; without it, the sign-in page or a redirect. A lacking
//! scope is 401 without a body, a person without access TF400813 with the person's id. Errors are compressed as the
//! client accepts it (gzip, deflate, br), and pages with `&#39;` where it asks for HTML. [`Page`] has the same as faults.
//! `withheld_scopes` of [`EntraSettings`] makes Entra grant fewer scopes than asked for.
//!
//! **Large answers**: [`AzureDevOps::add_large_attachment`] adds an attachment whose content ([`devops::LargeContent`],
//! which also computes the SHA-256) is generated while it is sent. With a [`devops::Gate`] the first 64 KiB leave at
//! once and the rest after the test opens it, so that a test can prove streaming without a clock.
//!
//! **Git over HTTP**: `git clone https://dev.azure.com/{organization}/{project}/_git/{repository}` and its other forms,
//! fetching and pushing, answered by `git http-backend` (501 if Git is not installed). The token is the `Bearer` token
//! or the password of `Basic`. The bare repository is created at first use from the content of the REST routes at that
//! time, with its own ids; [`AzureDevOps::git_folder`] returns its folder, so that a test can add a history.
//!
//! **Keys of an app**: with [`EntraSettings::app_signing_keys`] ID tokens are signed by a key that only
//! `…/openid-configuration?appid=…` of the user's own tenant leads to.
//!
//! **Odd spellings**: [`EntraSettings::token_members`] and [`EntraSettings::token_members_left_out`] change the answers of
//! the token endpoint; [`AzureDevOpsSettings::nil_resource_tenant_first`] repeats the header that names a tenant;
//! [`AzureDevOpsSettings::plain_challenge`] writes claims challenges in another way; a fault's
//! [`Fault::header`] sets a `Retry-After` that is a date. [`AzureDevOps::move_organization`] moves an organization to
//! another tenant.
//!
//! **Load**: [`AzureDevOpsSettings::throttling`] counts requests per user against a budget. Answers have rate-limit
//! headers from half of the budget on, are delayed beyond it (`X-RateLimit-Delay`, `Retry-After` on 200), and end in
//! 429 TF400733. The window ends by the emulated clock (`Entra::advance_clock`) or by [`AzureDevOps::reset_usage`].
//! [`AzureDevOpsSettings::rate_limit`] adds fixed values to every answer instead.
//!
//! **Long lists**: [`AzureDevOps::add_projects`] and [`AzureDevOps::add_work_items`].
//!
//! # Admin routes
//!
//! JSON in and out, on both servers, not recorded and never faulty:
//!
//! | route | does |
//! | --- | --- |
//! | `GET /_emulator` | overview |
//! | `GET /_emulator/counts` | `{"total", "routes": {name: n}, "peaks": {name: most at once}}` |
//! | `GET /_emulator/requests` | every request: sequence, route, method, host, raw target, headers (credentials hidden), body length, status |
//! | `GET`, `POST`, `DELETE /_emulator/faults` | list, add ([`Fault`] as JSON; answers `{"id"}`), remove all |
//! | `POST /_emulator/faults/{id}/release`, `DELETE /_emulator/faults/{id}`, `POST /_emulator/release` | let held requests go on |
//! | `GET`, `POST /_emulator/settings` | [`EntraSettings`] or [`AzureDevOpsSettings`]; POST takes any subset |
//! | `POST /_emulator/reset` | `{"counts": true, "faults": true, "state": false}`; these are the defaults |
//! | Entra: `GET /_emulator/accounts`, `GET /_emulator/apps`, `GET /_emulator/secrets` | registered accounts and apps, issued secrets |
//! | Entra: `POST /_emulator/accounts/{account}/{action}` | `revoke-grants`, `revoke-access-tokens`, `expire-refresh-tokens`, `kill-refresh-tokens` (`{"code"}`), `require-interaction` and `challenge` (`{"claims"}`), `remove-consent`, `disable`, `enable` |
//! | Entra: `POST /_emulator/apps` | register: [`entra::AppRegistration`] |
//! | Entra: `POST /_emulator/apps/{client id}/secrets` | `{"value", "expires_at"?}` |
//! | Entra: `POST /_emulator/apps/{client id}/status` | `{"status": "active" \| "disabled" \| "deleted"}` |
//! | Entra: `POST /_emulator/apps/{client id}/tenants/{tenant}` | the same in one tenant: disabled (AADSTS7000112), or without a service principal (AADSTS7000229) until a user of it signs in |
//! | Entra: `POST /_emulator/tenants/{tenant}` | `{"found": false}`: AADSTS90002 as `invalid_request`, and as `invalid_tenant` for its metadata |
//! | Entra: `POST /_emulator/keys/rotate`, `…/keys/retire` | sign with a new key; publish only the newest |
//! | Entra: `POST /_emulator/clock` | `{"advance_seconds"}`: the emulated time of both servers |
//! | Azure DevOps: `GET /_emulator/organizations` | organizations, members, projects |
//! | Azure DevOps: `POST /_emulator/organizations/{name}/members` | `{"account", "access": "contributor" \| "reader"}`; `DELETE …/members/{account}` |
//! | Azure DevOps: `POST /_emulator/organizations/{name}/stop`, `…/start` | deactivate (503), reactivate |
//! | Azure DevOps: `POST /_emulator/organizations/{name}/projects` | `{"prefix", "count"}`: projects named `{prefix} 1` and so on |
//! | Azure DevOps: `POST /_emulator/organizations/{name}/work-items` | `{"project", "count"}`: tasks; answers `{"ids"}` |
//! | Azure DevOps: `POST /_emulator/organizations/{name}/attachments` | `{"project", "file_name", "bytes", "gated"?}`: an attachment generated while it is sent; answers `{"id", "url", "sha256"}` |
//! | Azure DevOps: `POST /_emulator/usage/reset` | reset every account to the whole budget of `throttling` |
//! | Azure DevOps: `POST /_emulator/attachments/{id}/release` | open the gate of an attachment |

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own beside the service: it lives in real time"
)]

mod control;
pub mod devops;
pub mod entra;
mod faults;
mod marker;
mod reply;
mod request;
mod scopes;
mod server;
mod traffic;

pub use devops::{AzureDevOps, AzureDevOpsOptions, AzureDevOpsSettings};
pub use entra::{Entra, EntraOptions, EntraSettings};
pub use faults::{Fault, FaultHandle, IdTokenFault, IdTokenSignature, Page};
pub use marker::{MARKER, MARKER_DECODED, marker};
pub use scopes::AZURE_DEVOPS;
pub use traffic::RecordedRequest;
