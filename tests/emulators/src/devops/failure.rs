//! Errors in the JSON shape of Azure DevOps.

use serde_json::{Value, json};

use crate::reply::Reply;

/// A refusal with its exception type.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub status: u16,
    message: String,
    key: &'static str,
    namespace: &'static str,
}

/// The result of a handler: an answer or a refusal.
pub(crate) type Answer = Result<Reply, Failure>;

const FRAMEWORK: &str = "Microsoft.TeamFoundation.Framework.Server";
const GIT: &str = "Microsoft.TeamFoundation.Git.Server";
const WIKI: &str = "Microsoft.TeamFoundation.Wiki.Server";
const TRACKING: &str = "Microsoft.TeamFoundation.WorkItemTracking.Server";

impl Failure {
    fn new(
        status: u16,
        namespace: &'static str,
        key: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { status, message: message.into(), key, namespace }
    }

    /// TF400813: an unknown user, or one without access.
    pub fn unauthorized(user: &str) -> Self {
        Self::new(
            401,
            FRAMEWORK,
            "UnauthorizedRequestException",
            format!("TF400813: The user '{user}' is not authorized to access this resource."),
        )
    }

    /// The token's scopes do not allow the call: 401 without a word, or another status with a message.
    pub fn lacking_scope(status: u16) -> Self {
        let message = if status == 401 { "" } else { "The token's scopes do not allow the call." };
        Self::new(status, FRAMEWORK, "UnauthorizedRequestException", message)
    }

    /// VS403463: Conditional Access on the call's IP address.
    pub fn conditional_access() -> Self {
        Self::new(
            403,
            FRAMEWORK,
            "AccessCheckException",
            "VS403463: The conditional access policy defined by your Azure Active Directory administrator has failed.",
        )
    }

    /// TF400733: usage beyond the limit.
    pub fn blocked(resource: &str) -> Self {
        Self::new(
            429,
            FRAMEWORK,
            "RequestBlockedException",
            format!(
                "TF400733: The request has been canceled: Request was blocked due to exceeding usage of resource \
                 '{resource}' in namespace 'User'."
            ),
        )
    }

    /// TF24668: the organization was switched off.
    pub fn stopped(organization: &str) -> Self {
        Self::new(
            503,
            "Microsoft.VisualStudio.Services.Common",
            "VssServiceException",
            format!(
                "TF24668: The following team project collection is stopped: {organization}. Start the collection and \
                 then try again."
            ),
        )
    }

    /// A refusal with the status of a fault.
    pub fn of_status(status: u16) -> Self {
        Self::new(
            status,
            "Microsoft.VisualStudio.Services.Common",
            "VssServiceException",
            format!("The service answered with status {status}."),
        )
    }

    pub fn needs_permission() -> Self {
        Self::new(
            403,
            GIT,
            "GitNeedsPermissionException",
            "TF401027: You need the permission to contribute to perform this action.",
        )
    }

    pub fn project(name: &str) -> Self {
        Self::new(
            404,
            "Microsoft.TeamFoundation.Core.WebApi",
            "ProjectDoesNotExistWithNameException",
            format!(
                "TF200016: The following project does not exist: {name}. Verify that the name of the project is correct \
                 and that the project exists on the specified Azure DevOps Server."
            ),
        )
    }

    pub fn repository(name: &str) -> Self {
        Self::new(
            404,
            GIT,
            "GitRepositoryNotFoundException",
            format!(
                "TF401019: The Git repository with name or identifier {name} does not exist or you do not have \
                 permissions for the operation you are attempting."
            ),
        )
    }

    pub fn git_item(path: &str, version: &str) -> Self {
        Self::new(
            404,
            GIT,
            "GitItemNotFoundException",
            format!(
                "TF401174: The item '{path}' could not be found in the repository at the version '{version}'."
            ),
        )
    }

    pub fn version(version: &str) -> Self {
        Self::new(
            404,
            GIT,
            "GitUnresolvableToCommitException",
            format!(
                "TF401175: The version descriptor <{version}> could not be resolved to a version in the repository."
            ),
        )
    }

    pub fn git_object(id: &str) -> Self {
        Self::new(
            404,
            GIT,
            "GitObjectDoesNotExistException",
            format!("TF401035: The object '{id}' does not exist."),
        )
    }

    /// The source of a pull request has moved since it was read. (The key and the sentence are uncertain.)
    pub fn pull_request_stale() -> Self {
        Self::new(
            409,
            GIT,
            "GitPullRequestStaleException",
            "TF401192: The pull request's source branch has been updated since it was read.",
        )
    }

    pub fn stale_ref(name: &str) -> Self {
        Self::new(
            409,
            GIT,
            "GitReferenceStaleException",
            format!(
                "TF401028: The reference '{name}' has already been updated by another client, so you cannot update it."
            ),
        )
    }

    pub fn pull_request() -> Self {
        Self::new(
            404,
            GIT,
            "GitPullRequestNotFoundException",
            "TF401180: The requested pull request was not found.",
        )
    }

    pub fn pull_request_exists() -> Self {
        Self::new(
            409,
            GIT,
            "GitPullRequestExistsException",
            "TF401179: An active pull request for the source and target branch already exists.",
        )
    }

    pub fn work_item(id: &str) -> Self {
        Self::new(
            404,
            TRACKING,
            "WorkItemUnauthorizedAccessException",
            format!(
                "TF401232: Work item {id} does not exist, or you do not have permissions to read it."
            ),
        )
    }

    pub fn work_item_type(name: &str) -> Self {
        Self::new(
            404,
            TRACKING,
            "WorkItemTypeNotFoundException",
            format!("VS402323: Work item type {name} does not exist in the project."),
        )
    }

    pub fn rule(field: &str) -> Self {
        Self::new(
            400,
            TRACKING,
            "RuleValidationException",
            format!("TF401320: Rule Error for field {field}. Error code: Required, InvalidEmpty."),
        )
    }

    /// A value of a field that its rules do not allow.
    pub fn not_in_list(field: &str) -> Self {
        Self::new(
            400,
            TRACKING,
            "RuleValidationException",
            format!(
                "TF401320: Rule Error for field {field}. Error code: Required, HasValues, LimitedToValues, \
                 AllowsOldValue, InvalidNotOldValue."
            ),
        )
    }

    /// A name or e-mail address that no member has.
    pub fn unknown_identity(name: &str, field: &str) -> Self {
        Self::new(
            400,
            TRACKING,
            "RuleValidationException",
            format!("The identity value '{name}' for field '{field}' is an unknown identity."),
        )
    }

    /// A field that the organization does not have.
    pub fn field(name: &str) -> Self {
        Self::new(
            400,
            TRACKING,
            "WorkItemTrackingFieldDefinitionNotFoundException",
            format!("TF51535: Cannot find field {name}."),
        )
    }

    /// More matches than a query answers with.
    pub fn too_many_work_items(most: usize) -> Self {
        Self::new(
            400,
            TRACKING,
            "WorkItemTrackingQueryResultSizeLimitExceededException",
            format!(
                "VS402337: The number of work items returned exceeds the size limit of {most}. Change the query to \
                 return fewer items."
            ),
        )
    }

    pub fn query(name: &str) -> Self {
        Self::new(
            404,
            TRACKING,
            "QueryItemNotFoundException",
            format!(
                "TF401243: The query {name} does not exist, or you do not have permission to read it."
            ),
        )
    }

    /// A path of areas or iterations that does not exist.
    pub fn tree_path(path: &str, field: &str) -> Self {
        Self::new(
            400,
            TRACKING,
            "WorkItemTrackingTreeNodeNotFoundException",
            format!("TF401347: Invalid tree name given for work item, field '{field}': {path}."),
        )
    }

    pub fn classification_node(path: &str) -> Self {
        Self::new(
            404,
            TRACKING,
            "ClassificationNodeNotFoundException",
            format!("VS402485: The area or iteration path {path} is not found."),
        )
    }

    /// A name that is taken. That the status is 409 is not certain.
    pub fn classification_node_exists(name: &str) -> Self {
        Self::new(
            409,
            TRACKING,
            "ClassificationNodeDuplicateNameException",
            format!(
                "VS402371: Classification node name {name} is already in use by a different child of the same parent."
            ),
        )
    }

    /// An iteration that the team does not have.
    pub fn iteration(id: &str) -> Self {
        Self::new(
            404,
            "Microsoft.TeamFoundation.Work.WebApi.Exceptions",
            "InvalidTeamSettingsIterationException",
            format!("The iteration with id '{id}' does not exist in the team settings."),
        )
    }

    pub fn team(name: &str) -> Self {
        Self::new(
            404,
            "Microsoft.TeamFoundation.Core.WebApi",
            "TeamNotFoundException",
            format!("The team with id '{name}' does not exist."),
        )
    }

    /// A link that exists already, or that leads nowhere.
    pub fn link(reason: &str) -> Self {
        Self::new(
            400,
            TRACKING,
            "WorkItemLinkInvalidException",
            format!("TF201035: You cannot add this link: {reason}"),
        )
    }

    /// A resource that is only there in preview versions.
    pub fn preview(version: &str) -> Self {
        Self::new(
            400,
            "Microsoft.VisualStudio.Services.Common",
            "VssInvalidPreviewVersionException",
            format!(
                "The requested version \"{version}\" of the resource is under preview. The -preview flag must be \
                 supplied in the api-version for such requests. For example: \"{version}-preview\""
            ),
        )
    }

    pub fn wiql(reason: &str) -> Self {
        Self::new(
            400,
            TRACKING,
            "VssPropertyValidationException",
            format!("TF51006: The query statement is not valid: {reason}"),
        )
    }

    pub fn test_operation(path: &str) -> Self {
        Self::new(
            412,
            "Microsoft.VisualStudio.Services.WebApi.Patch",
            "TestPatchOperationFailedException",
            format!("VS403351: Test Operation for path {path} failed."),
        )
    }

    pub fn wiki(name: &str) -> Self {
        Self::new(
            404,
            WIKI,
            "WikiNotFoundException",
            format!(
                "Wiki not found: {name}. Make sure that the wiki exists and you have access to it."
            ),
        )
    }

    pub fn wiki_page(path: &str) -> Self {
        Self::new(
            404,
            WIKI,
            "WikiPageNotFoundException",
            format!(
                "Wiki page '{path}' could not be found. Ensure that the path of the page is correct and the page exists."
            ),
        )
    }

    /// The page exists already. Microsoft also answers this with status 500.
    pub fn wiki_page_exists(path: &str) -> Self {
        Self::new(
            500,
            WIKI,
            "WikiPageAlreadyExistsException",
            format!(
                "The page '{path}' specified in the add operation already exists in the wiki. Please specify a new page path."
            ),
        )
    }

    /// The `If-Match` of a change is not the page's `ETag`.
    pub fn wiki_conflict(path: &str) -> Self {
        Self::new(
            412,
            WIKI,
            "WikiPageHasConflictsException",
            format!("The page '{path}' has conflicting changes: it was changed since it was read."),
        )
    }

    pub fn definition(id: &str) -> Self {
        Self::new(
            404,
            "Microsoft.TeamFoundation.Build.WebApi",
            "DefinitionNotFoundException",
            format!("The build definition {id} was not found."),
        )
    }

    /// The definition is not at the revision of the change.
    pub fn definition_changed(id: u64) -> Self {
        Self::new(
            409,
            "Microsoft.TeamFoundation.Build.WebApi",
            "DefinitionRevisionMismatchException",
            format!("The build definition {id} has been changed since it was read."),
        )
    }

    pub fn build(id: &str) -> Self {
        Self::new(
            404,
            "Microsoft.TeamFoundation.Build.WebApi",
            "BuildNotFoundException",
            format!("The requested build {id} could not be found."),
        )
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(404, FRAMEWORK, "ResourceNotFoundException", format!("{what} was not found."))
    }

    /// An invalid value.
    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(
            400,
            "Microsoft.TeamFoundation.SourceControl.WebServer",
            "InvalidArgumentValueException",
            message,
        )
    }

    pub fn api_version(version: &str) -> Self {
        Self::new(
            400,
            "Microsoft.VisualStudio.Services.Common",
            "VssVersionOutOfRangeException",
            format!("The requested REST API version of {version} is out of range for this server."),
        )
    }

    pub fn content_type(given: &str, method: &str, wanted: &str) -> Self {
        Self::new(
            415,
            "Microsoft.VisualStudio.Services.WebApi",
            "VssRequestContentTypeNotSupportedException",
            format!(
                "The request indicated a Content-Type of \"{given}\" for method type \"{method}\" which is not \
                 supported. Valid content types for this method are: {wanted}."
            ),
        )
    }

    fn body(&self) -> Value {
        json!({
            "$id": "1",
            "innerException": null,
            "message": self.message,
            "typeName": format!("{}.{}, {}", self.namespace, self.key, self.namespace),
            "typeKey": self.key,
            "errorCode": 0,
            "eventId": 3000,
        })
    }

    pub fn into_reply(self) -> Reply {
        if self.message.is_empty() {
            return Reply::empty(self.status);
        }
        let body = self.body();
        if self.status == 503 {
            // Recorded: this one starts with a byte order mark and has a plain content type.
            return Reply::bytes(503, "application/json", format!("\u{feff}{body}"))
                .header("x-tfs-serviceerror", percent_encode(&self.message));
        }
        let mut reply = Reply::json(self.status, &body);
        if self.status == 401 {
            reply = reply.header("x-tfs-serviceerror", percent_encode(&self.message));
        }
        reply.message = Some(self.message);
        reply
    }
}

/// The page in place of an error in JSON, for a client that asks for HTML. Azure DevOps escapes every apostrophe.
pub(crate) fn page(message: &str) -> String {
    let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&#39;");
    format!(
        "<!DOCTYPE html>\r\n<html lang=\"en-US\">\r\n<head><title>{message}</title></head>\r\n<body class='error'>\r\n\
         <h1>{message}</h1>\r\n<a href='https://aka.ms/vssupport'>Support</a>\r\n</body>\r\n</html>"
    )
}

/// Encodes a text as in `X-TFS-ServiceError`.
pub(crate) fn percent_encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
