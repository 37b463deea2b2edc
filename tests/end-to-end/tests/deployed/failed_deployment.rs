//! A first deployment that fails, and the README's way out of it.

use end_to_end::documents::Document;
use serde_json::json;

use crate::account::Account;
use crate::stack;

/// Lets a deployment fail after its tables have been created, and follows the README until nothing of it is left.
///
/// AWS refuses to deploy to a stack in the state `ROLLBACK_COMPLETE`; the emulator does not. So this shows that the
/// commands lead out of that state, and not that they are needed.
pub async fn fail_and_start_again(account: &Account) {
    let template = stack::changed_template("failing.json", |template| {
        template["Resources"]["Failing"] = json!({
            "Type": "AWS::SSM::Parameter",
            "DependsOn": ["IntegrationsTable", "ConnectionsTable", "TokensTable", "AuditTable", "PassesTable"],
            "Properties": {"Type": "String", "Value": "{{resolve:secretsmanager:there-is-no-such-secret}}"},
        });
    });
    let parameters = [("Architecture", "x86_64")];
    assert!(!stack::deploy(account, &template, &parameters).await, "the deployment succeeds");
    assert_eq!(status(account).await, "ROLLBACK_COMPLETE");

    let [list, delete_stack, delete_table] = readme_commands();
    let tables = run(account, &list).await;
    let tables: Vec<&str> = tables.split_whitespace().collect();
    assert_eq!(tables.len(), 5, "the tables that the README's command lists: {tables:?}");
    run(account, &format!("{delete_stack} --no-prompts")).await;
    for table in tables {
        run(account, &delete_table.replace("NAME", table)).await;
    }
    assert_eq!(run(account, "aws dynamodb list-tables --query TableNames --output text").await, "");
    let gone = "aws cloudformation describe-stacks --stack-name ado-connect || echo none";
    assert_eq!(run(account, gone).await.trim(), "none");
}

async fn status(account: &Account) -> String {
    let asked = "aws cloudformation describe-stacks --stack-name ado-connect --query Stacks[0].StackStatus --output text";
    run(account, asked).await.trim().to_owned()
}

/// Returns the README's commands: list the tables, delete the stack, delete a table.
fn readme_commands() -> [String; 3] {
    let text = Document("infra/README.md").text();
    let section = text.split("### If the first deployment fails").nth(1).unwrap();
    let block = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let commands: Vec<_> =
        block.lines().map(|line| line.split("    #").next().unwrap().to_owned()).collect();
    commands.try_into().expect("three commands")
}

/// Runs a command of the README in a shell. Returns its output.
async fn run(account: &Account, command: &str) -> String {
    let ran = stack::command(account, "bash").args(["-c", command]).output().await.unwrap();
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{command}: {errors}");
    String::from_utf8(ran.stdout).unwrap()
}
