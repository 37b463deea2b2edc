//! The texts for an application's users: people who know their application and have a work account at Microsoft, and
//! need no other knowledge. All texts for them are here: this is the file to translate. The portal's texts, for
//! operators, are in `functions/manage/templates`.
//!
//! `{application}` is replaced by the application's name.

use crate::problem::Code;

/// One message.
pub(crate) struct Text {
    /// The message in a few words.
    pub(crate) heading: &'static str,
    /// What happened; empty where the heading is enough.
    pub(crate) happened: &'static str,
    /// What to do now.
    pub(crate) advice: &'static str,
}

/// The application's name, where it is not known.
const SOME_APPLICATION: &str = "the application";

/// Above the address that an administrator needs.
pub(crate) const ADMIN_LABEL: &str = "Link for your administrator";
/// Beside that address.
pub(crate) const ADMIN_HINT: &str = "Copy this link and send it to an administrator, such as your IT department. It lets them approve the access for everybody in your organization.";
/// On the link to a new sign-in.
pub(crate) const RECONNECT: &str = "Sign in again";
/// On the link behind a redirect to the sign-in.
pub(crate) const GO_ON: &str = "Go on to sign in";
/// On the link behind a redirect back.
pub(crate) const GO_BACK: &str = "Go back";

/// On the way to the sign-in.
pub(crate) const CONNECTING: Text = Text {
    heading: "Connecting\u{2026}",
    happened: "You are on your way to Microsoft, where you sign in.",
    advice: "If nothing happens, use this link.",
};
/// On the way back.
pub(crate) const RETURNING: Text = Text {
    heading: "Going back\u{2026}",
    happened: "You are on your way back.",
    advice: "If nothing happens, use this link.",
};
/// The end of a sign-in that went well.
pub(crate) const CONNECTED: Text = Text {
    heading: "You are connected",
    happened: "",
    advice: "You can close this window and go back to {application}.",
};
/// An administrator has consented for everybody.
pub(crate) const CONSENTED: Text = Text {
    heading: "The application is approved",
    happened: "Microsoft says that you have given consent for your organization.",
    advice: "Its users can connect Azure DevOps now. Let them start again in {application}.",
};

/// A client without a name.
pub(crate) const SOME_PROGRAM: &str = "a program";
/// Above what a client may do.
pub(crate) const IT_MAY: &str = "It may";
/// The box that is always ticked.
pub(crate) const READ: &str = "See what you can see";
/// Beside it.
pub(crate) const READ_HINT: &str =
    "Projects, code, pull requests, builds and work items that you have access to.";
/// The box for changes.
pub(crate) const WRITE: &str = "Change things in your name";
/// Beside it.
pub(crate) const WRITE_HINT: &str = "For example commit code, comment, complete pull requests and edit work items. Others see your name.";
/// On the button.
pub(crate) const ALLOW: &str = "Allow and sign in";
/// On the link beside it.
pub(crate) const REFUSE: &str = "Do not allow";
/// The sentence about a client that is refused.
pub(crate) const NOT_LET_IN: &str = "Its request has a fault, or it may not ask here. Nothing was changed. Go back only \
     if you know the program and have started this yourself.";
/// The link to a refused client.
pub(crate) const BACK: &str = "Go back to it";
/// The destination on the user's own computer.
pub(crate) const ON_THIS_COMPUTER: &str = "a program on this computer";
/// About a program on the user's own computer, which anybody may have asked the user to let in.
pub(crate) const JUST_NOW: &str =
    "Go on only if you have started this yourself, just now, in a program on this computer.";

/// The heading of the page that asks whether a client may be let in.
pub(crate) fn let_in(client: &str) -> String {
    format!("Let {client} work in Azure DevOps as you?")
}

/// The heading of the page of a client that is refused.
pub(crate) fn not_let_in(client: &str) -> String {
    format!("{client} cannot be let in")
}

/// The introduction of a client that a host vouches for.
pub(crate) fn asked_by(client: &str, host: &str, application: &str) -> String {
    format!(
        "{client}, a program of {host}, asks to work in Azure DevOps with your account, through {application}. \
         You sign in at Microsoft next."
    )
}

/// The introduction of a client that nobody vouches for.
pub(crate) fn asked_by_itself(client: &str, application: &str) -> String {
    format!(
        "A program that calls itself {client} asks to work in Azure DevOps with your account, through {application}. \
         Nobody has checked its name. You sign in at Microsoft next."
    )
}

/// The introduction of a client without a name.
pub(crate) fn asked_by_nobody(application: &str) -> String {
    format!(
        "A program without a name asks to work in Azure DevOps with your account, through {application}. \
         You sign in at Microsoft next."
    )
}

/// The destination that a private scheme leads to.
pub(crate) fn by_scheme(scheme: &str) -> String {
    format!("the program on this computer that opens {scheme}: addresses")
}

/// The account that has signed in.
pub(crate) fn signed_in(account: &str) -> String {
    format!("You signed in as {account}.")
}

/// The organization that the application can reach from now on.
pub(crate) fn connected_to(organization: Option<&str>) -> String {
    match organization {
        Some(organization) => {
            format!("You are connected to the Azure DevOps organization {organization}.")
        }
        None => "You are connected to Azure DevOps.".to_owned(),
    }
}

/// A text about the application with this name.
pub(crate) fn about(name: Option<&str>, text: &str) -> String {
    text.replace("{application}", name.unwrap_or(SOME_APPLICATION))
}

/// The words for the user who meets a problem.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn of(code: Code) -> Text {
    let (heading, happened, advice) = match code {
        // the link, and the way back from Microsoft
        Code::SessionExpired => (
            "This link has expired",
            "A link to connect works for 30 minutes, and this one is older.",
            "Go back to {application} and start connecting again.",
        ),
        Code::SessionUsedUp => (
            "This link was opened too often",
            "For your safety a link can be opened a few times only.",
            "Go back to {application} and start connecting again.",
        ),
        Code::TooEarly => (
            "This page was fetched ahead of your visit",
            "Nothing was started, and the link still works.",
            "Open the link again.",
        ),
        Code::StateExpired => (
            "The sign-in took too long",
            "A sign-in has to be finished within 10 minutes. Nothing was connected.",
            "Go back to {application} and start connecting again.",
        ),
        Code::StateUnknown => (
            "This sign-in is already over",
            "It was finished before, or it was never started here.",
            "Go back to {application}. If you are not connected there, start again.",
        ),
        Code::ClientUnknown => (
            "This program could not be identified",
            "It has sent you here to sign in, and what it says about itself cannot be read or does not fit.",
            "Start again in the program. If that does not help, update it, or ask the people who make it.",
        ),
        Code::RedirectUriNotAllowed => (
            "This program wants you to go to an unknown address",
            "The address to which you would return is not one that the program has named before.",
            "Start again in the program, and do not use links from messages.",
        ),
        Code::BrowserMismatch => (
            "This sign-in was started in another browser",
            "For your safety a sign-in has to end in the browser where it began, and that browser has to allow cookies of this site.",
            "Go back to {application} and start again, and stay in one browser and one window.",
        ),
        Code::SessionUnknown => (
            "This link is no longer valid",
            "It was used already, or it is not complete.",
            "Go back to {application}. If you are not connected there, start again.",
        ),
        Code::ReturnToNotAllowed => (
            "You cannot be sent back from here",
            "While you signed in, {application} moved to another address. Nothing was connected.",
            "Go back to {application} and start connecting again.",
        ),
        // the account
        Code::PersonalAccount => (
            "Please use your work or school account",
            "You signed in with a personal Microsoft account. Only accounts that a company or school has given out can be connected.",
            "Go back to {application}, start again, and choose your work or school account.",
        ),
        Code::AccountNotInTenant => (
            "This account belongs to another company",
            "The account that you signed in with is not known to the company or school whose Azure DevOps you want to connect.",
            "Go back to {application}, start again, and choose the right account. If you have no other, ask the company to invite you as a guest.",
        ),
        Code::DifferentAccount => (
            "You were connected with another account",
            "The account that you signed in with is not the one that was connected before. Your earlier connection is unchanged.",
            "Go back to {application}, start again, and choose the account from before; or disconnect that one first.",
        ),
        Code::OrganizationAccessDenied => (
            "You have no access to this Azure DevOps organization",
            "You signed in, but your account is not a member of the organization. Nothing was connected.",
            "Start again with another account, or ask an administrator of the organization to add you.",
        ),
        Code::OrganizationNotBackedByEntra => (
            "This Azure DevOps organization cannot be connected",
            "It is not set up for work or school accounts.",
            "Ask the owner of the organization to connect it to Microsoft Entra ID in its settings.",
        ),
        Code::WrongTenant => (
            "This account cannot be used here",
            "The account that you signed in with belongs to a company or school that {application} does not serve.",
            "Go back to {application}, start again, and choose another account.",
        ),
        // refused by Microsoft
        Code::ConsentRequired => (
            "The access was not allowed",
            "Microsoft asks whether {application} may work with Azure DevOps for you, and the answer was not yes.",
            "Go back to {application}, start again, and accept what Microsoft lists. If you are not asked, or may not accept, an administrator has to approve it.",
        ),
        Code::AdminApprovalRequired => (
            "Your administrator has to approve this first",
            "Your company or school lets only administrators decide which applications may be connected.",
            "Ask an administrator to approve the access. Then go back to {application} and start again.",
        ),
        Code::PolicyBlocked => (
            "Your company does not allow this",
            "A security rule of your company or school has blocked the access, perhaps because of this device or the place where you are.",
            "Ask your administrator which rule applies, and send the details below along with the time.",
        ),
        Code::InteractionRequired => (
            "The sign-in is not finished",
            "Microsoft asks for one more step, such as a confirmation on your phone.",
            "Go back to {application}, start again, and complete every step that Microsoft asks for.",
        ),
        Code::SignInCancelled => (
            "You did not sign in",
            "The sign-in was cancelled, or the access was not accepted. Nothing was connected.",
            "If Microsoft said that an administrator has to approve this, ask yours. If you want to connect after all, go back to {application} and start again.",
        ),
        Code::TenantRefused => (
            "Your company does not let this application in",
            "Microsoft says that {application} may not be used in your company or school, or does not find it.",
            "Ask an administrator there to approve the access. Then go back to {application} and start again.",
        ),
        // not the user's fault
        Code::IntegrationNotReady => (
            "Connecting is not possible at the moment",
            "The connection to Azure DevOps is switched off or not set up completely. You can do nothing about it.",
            "Try again later, or ask the people who run {application}.",
        ),
        Code::CredentialRejected | Code::EntraMisconfigured => (
            "Connecting is not possible at the moment",
            "The connection to Microsoft is not set up as it has to be. You can do nothing about it.",
            "Tell the people who run {application}, and send the details below along.",
        ),
        Code::CodeRejected | Code::IdTokenInvalid | Code::IssuerMismatch => (
            "The sign-in could not be completed",
            "The answer that came back from Microsoft could not be accepted. Nothing was connected.",
            "Go back to {application} and start again. If it happens again, send the details below to the people who run it.",
        ),
        // temporary
        Code::ServicePaused => (
            "This service is paused",
            "The people who run it have stopped it for the time being. What you have connected is unchanged.",
            "Try again later.",
        ),
        Code::EntraUnavailable | Code::EntraThrottled => (
            "Microsoft cannot be reached",
            "The sign-in at Microsoft does not answer at the moment. Nothing was connected.",
            "Wait a minute, then go back to {application} and start again.",
        ),
        Code::DevopsUnavailable | Code::DevopsTimeout => (
            "Azure DevOps cannot be reached",
            "You signed in, but Azure DevOps does not answer at the moment. Nothing was connected.",
            "Wait a minute, then go back to {application} and start again.",
        ),
        Code::ServiceUnavailable => (
            "This service is not available right now",
            "It could not answer in time.",
            "Wait a minute and try again.",
        ),
        // of our own
        Code::InternalError => (
            "Something went wrong",
            "This is not your fault, and nothing was connected.",
            "Try again. If it happens again, send the details below to the people who run {application}.",
        ),
        Code::FormRefused => (
            "Please open this page again",
            "For your safety a form counts only in the browser and on the page in which you opened it, and for ten minutes.",
            "Start again in the program that sent you here.",
        ),
        Code::RequestTooLarge => (
            "This address is too long",
            "It contains more than this page takes.",
            "Start again in the program that sent you here.",
        ),
        Code::NotFound | Code::MethodNotAllowed => (
            "There is nothing here",
            "This address leads nowhere.",
            "If {application} sent you here, go back to it and start again.",
        ),
        Code::InvalidRequest | Code::DuplicateParameter => (
            "This link does not work",
            "The address is not complete, or was changed on its way to you.",
            "Go back to {application} and start again.",
        ),
        // met by programs only, whose words they keep
        Code::MissingCredentials
        | Code::InvalidCredentials
        | Code::RoleNotAllowed
        | Code::CallerNotAllowed
        | Code::CrossSiteRequest
        | Code::WrongKeysLimited
        | Code::RenewedRecently
        | Code::MalformedJson
        | Code::UnsupportedMediaType
        | Code::RequestRefused
        | Code::HeaderTooLarge
        | Code::IntegrationNotFound
        | Code::OrganizationNotAllowed
        | Code::ScopeNotAllowed
        | Code::UserMismatch
        | Code::ConfirmationInvalid
        | Code::ConfirmationExpired
        | Code::ConfirmationUserMismatch
        | Code::ConnectionNotFound
        | Code::ConnectionPending
        | Code::ConnectionPaused
        | Code::ConnectionReauthorizationRequired
        | Code::RefreshInProgress
        | Code::RefreshRefused
        | Code::TokenHandoutDisabled
        | Code::UnknownHost
        | Code::AmbiguousPath
        | Code::ResponseTooLarge
        | Code::CallNotAllowed
        | Code::InsufficientScope
        | Code::McpDisabled
        | Code::WriteNotGranted
        | Code::PassNotFound
        | Code::ConnectionAmbiguous
        | Code::RateLimited
        | Code::ConcurrencyLimited
        | Code::DevopsThrottled
        | Code::ApiKeyNotFound => (code.title(), "", code.advice()),
    };
    Text { heading, happened, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_complete_and_names_only_the_application() {
        let pages = [CONNECTING, RETURNING, CONNECTED, CONSENTED];
        for text in Code::ALL.iter().map(|code| of(*code)).chain(pages) {
            assert!(!text.heading.is_empty() && !text.heading.ends_with('.'), "{}", text.heading);
            assert!(text.advice.ends_with('.'), "{}", text.advice);
            assert!(text.happened.is_empty() || text.happened.ends_with('.'), "{}", text.happened);
            assert!(!text.heading.contains('{'), "{}", text.heading);
            for sentence in [text.happened, text.advice] {
                let said = about(None, sentence);
                assert!(!said.contains("{application}") && !said.starts_with("the "), "{said}");
            }
        }
    }

    #[test]
    fn every_problem_of_a_sign_in_has_words_for_users() {
        use crate::routes::{Audience, Function, ROUTES};
        for route in ROUTES {
            let is_of_sign_in = matches!(route.function, Function::Authorize | Function::Callback);
            if is_of_sign_in && route.audience == Audience::Browser {
                for code in route.problems() {
                    assert!(!of(code).happened.is_empty(), "{code:?}");
                }
            }
        }
    }

    #[test]
    fn words_for_users_need_no_knowledge_of_the_protocol() {
        let jargon = ["tenant", "token", "OAuth", "redirect", "state", "session", "scope", "API"];
        for code in Code::ALL {
            let text = of(*code);
            if text.heading == code.title() {
                continue;
            }
            for word in [text.heading, text.happened, text.advice].iter().flat_map(|t| t.split(' '))
            {
                assert!(!jargon.contains(&word.trim_matches('.')), "{code:?}: {word}");
            }
        }
    }
}
