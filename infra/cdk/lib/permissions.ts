import { Aws, CfnDeletionPolicy } from 'aws-cdk-lib';
import { CfnPolicy, CfnRole } from 'aws-cdk-lib/aws-iam';
import { CfnKey } from 'aws-cdk-lib/aws-kms';
import type { CfnEventBus } from 'aws-cdk-lib/aws-events';
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import type { CfnQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { type Data, retain } from './data';
import { allow, attributes, document, dynamodb, every, kinds, RETURNS_NOTHING, type Statement, trust } from './policies';

/** A function's role, and the log that it may write to. */
export interface Identity {
  readonly role: CfnRole;
  readonly logs: CfnLogGroup;
}

/** The identity of each function; those of options that are off are absent. */
export type Identities = ReturnType<typeof makeIdentities>;

export type FunctionName = keyof Identities;

/** The resources that functions use, and the options that decide which functions there are. */
export interface Reach {
  readonly name: string;
  readonly logRetentionDays: number;
  readonly data: Data;
  readonly eventBus: CfnEventBus;
  readonly queue: CfnQueue;
  readonly deadLetters: CfnQueue;
  readonly streams: boolean;
  readonly rotates: boolean;
}

/** One role for each function, which allows exactly what the function does. */
export function makeIdentities(scope: Construct, reach: Reach) {
  const { integrations, sessions, connections, tokens, audit, passes, operatorKey } = reach.data;
  const secrets = `arn:${Aws.PARTITION}:secretsmanager:${Aws.REGION}:${Aws.ACCOUNT_ID}:secret:${reach.name}/integrations/*`;
  const readsCredentials = allow('secretsmanager:GetSecretValue', secrets);
  const readsOperatorKey = allow('secretsmanager:GetSecretValue', operatorKey.ref);
  const sendsEvents = allow('events:PutEvents', reach.eventBus.attrArn);
  const updates = (kind: string, ...names: string[]) =>
    allow('dynamodb:UpdateItem', integrations.attrArn, every(kinds(kind), attributes('pk', ...names)));
  const updatesStatus = (...names: string[]) => updates('integration#*', 'status', 'probed_at', 'updated_at', ...names);
  const updatesTenants = updates('tenants#*', 'tenants', 'tenant_*');
  const checksIntegration = allow('dynamodb:ConditionCheckItem', integrations.attrArn, kinds('integration#*'));
  const recordsAudit = allow(dynamodb('PutItem'), audit.attrArn);
  const calls = [
    allow(
      dynamodb('GetItem', 'BatchGetItem'),
      integrations.attrArn,
      kinds('api_key#*', 'integration#*', 'service', 'tenants#*'),
    ),
    updatesStatus(),
    updatesTenants,
    // Whose calls are counted before they are sent.
    updates('api_key#*', 'calls_counted_until'),
    checksIntegration,
    allow(dynamodb('GetItem', 'UpdateItem'), sessions.attrArn, kinds('limit#*')),
    allow(dynamodb('UpdateItem'), sessions.attrArn, kinds('tally#*')),
    allow(dynamodb('GetItem', 'BatchGetItem', 'UpdateItem'), connections.attrArn),
    allow(dynamodb('GetItem', 'UpdateItem'), tokens.attrArn),
    readsCredentials,
    readsOperatorKey,
    sendsEvents,
    recordsAudit,
  ];
  // The integrations of `me`. A scan has no key, so it is a statement of its own.
  const proxy = [...calls, allow(dynamodb('Scan'), integrations.attrArn)];
  const make = (name: string, statements: Statement[]) => makeIdentity(scope, reach, name, statements);
  return {
    Authorize: make('Authorize', [
      allow(dynamodb('GetItem'), integrations.attrArn, kinds('integration#*', 'service')),
      allow(dynamodb('GetItem'), connections.attrArn),
      allow(dynamodb('PutItem'), sessions.attrArn, kinds('state#*')),
      allow(dynamodb('UpdateItem'), sessions.attrArn, kinds('session#*')),
      allow(dynamodb('GetItem', 'UpdateItem', 'DeleteItem'), passes.attrArn),
      recordsAudit,
    ]),
    Callback: make('Callback', [
      allow(dynamodb('GetItem'), integrations.attrArn, kinds('integration#*', 'service', 'tenants#*')),
      updatesStatus(),
      updatesTenants,
      checksIntegration,
      allow(dynamodb('DeleteItem'), sessions.attrArn, kinds('session#*', 'state#*')),
      // A sign-in for an MCP client can have to be begun once more.
      allow(dynamodb('PutItem'), sessions.attrArn, kinds('state#*')),
      allow(dynamodb('PutItem'), passes.attrArn),
      allow(dynamodb('GetItem', 'PutItem', 'UpdateItem'), connections.attrArn),
      // This function reads no tokens, so a write must not return those that it replaces.
      allow(dynamodb('PutItem', 'DeleteItem'), tokens.attrArn, RETURNS_NOTHING),
      readsCredentials,
      sendsEvents,
      recordsAudit,
    ]),
    Manage: make('Manage', [
      allow(
        dynamodb('GetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem', 'Scan'),
        integrations.attrArn,
      ),
      allow(dynamodb('PutItem'), sessions.attrArn, kinds('session#*')),
      allow(dynamodb('GetItem', 'PutItem', 'UpdateItem', 'DeleteItem'), sessions.attrArn, kinds('portal#*')),
      allow(dynamodb('GetItem', 'UpdateItem'), sessions.attrArn, kinds('limit#wrong_keys#*')),
      allow(dynamodb('GetItem'), sessions.attrArn, kinds('tally#*')),
      allow(dynamodb('GetItem', 'BatchGetItem', 'UpdateItem', 'DeleteItem'), connections.attrArn),
      allow(dynamodb('Query'), `${connections.attrArn}/index/by_user`),
      // The portal counts what is due.
      allow(dynamodb('Query'), `${connections.attrArn}/index/by_due`),
      // Confirming takes the expiry off a tokens item, deleting deletes it; nothing here reads one.
      allow('dynamodb:UpdateItem', tokens.attrArn, every(attributes('pk', 'expires_at'), RETURNS_NOTHING)),
      allow('dynamodb:DeleteItem', tokens.attrArn, RETURNS_NOTHING),
      allow(dynamodb('DeleteItem'), passes.attrArn),
      allow(dynamodb('Query'), `${passes.attrArn}/index/by_connection`),
      allow(
        ['CreateSecret', 'PutSecretValue', 'GetSecretValue', 'DeleteSecret'].map((one) => `secretsmanager:${one}`),
        secrets,
      ),
      readsOperatorKey,
      sendsEvents,
      allow(dynamodb('PutItem', 'Query'), audit.attrArn),
    ]),
    Mcp: make('Mcp', [...calls, allow(dynamodb('GetItem'), passes.attrArn)]),
    Proxy: make('Proxy', proxy),
    ...(reach.streams ? { StreamingProxy: make('StreamingProxy', proxy) } : {}),
    Refresh: make('Refresh', [
      allow(dynamodb('GetItem'), integrations.attrArn, kinds('integration#*', 'service', 'tenants#*')),
      updatesStatus(),
      updatesTenants,
      updates('service', 'refresh_shards'),
      checksIntegration,
      allow(dynamodb('Scan'), integrations.attrArn),
      allow(dynamodb('UpdateItem'), sessions.attrArn, kinds('tally#*')),
      allow(dynamodb('GetItem', 'UpdateItem', 'DeleteItem', 'Scan'), connections.attrArn),
      allow(dynamodb('Query'), `${connections.attrArn}/index/by_due`),
      allow(dynamodb('GetItem', 'UpdateItem', 'DeleteItem'), tokens.attrArn),
      readsCredentials,
      sendsEvents,
      allow(
        ['sqs:SendMessage', 'sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
        reach.queue.attrArn,
      ),
      allow(['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'], reach.deadLetters.attrArn),
      recordsAudit,
    ]),
    ...(reach.rotates
      ? {
          Rotate: make('Rotate', [
            allow(dynamodb('GetItem'), integrations.attrArn, kinds('integration#*')),
            updatesStatus('credential'),
            allow(
              ['DescribeSecret', 'GetSecretValue', 'PutSecretValue', 'UpdateSecretVersionStage'].map(
                (one) => `secretsmanager:${one}`,
              ),
              secrets,
            ),
            recordsAudit,
          ]),
        }
      : {}),
  };
}

/** `StreamingProxy` is the function `streaming-proxy`. */
export function functionName(name: string): string {
  return name.replace(/(?!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}

function makeIdentity(scope: Construct, reach: Reach, name: string, statements: Statement[]): Identity {
  const logs = new CfnLogGroup(scope, `${name}Logs`, {
    logGroupName: `/${reach.name}/${functionName(name)}`,
    retentionInDays: reach.logRetentionDays,
  });
  const role = new CfnRole(scope, `${name}Role`, {
    assumeRolePolicyDocument: trust({ Service: 'lambda.amazonaws.com' }),
    policies: [
      {
        policyName: functionName(name),
        policyDocument: document([
          allow(['logs:CreateLogStream', 'logs:PutLogEvents'], logs.attrArn),
          ...statements,
        ]),
      },
    ],
  });
  return { role, logs };
}

/** The key of all tokens: administrators manage it, and only these functions use it, and only for tokens. */
export function makeTokensKey(scope: Construct, identities: Identities, formerKeyArn?: string): CfnKey {
  const roles = (...of: (Identity | undefined)[]) => of.flatMap((identity) => (identity ? [identity.role] : []));
  const { Callback, Mcp, Proxy, Refresh, StreamingProxy } = identities;
  // `callback` seals tokens and never opens one.
  const uses = [
    { sid: 'SealTokens', name: 'seal-tokens', action: 'kms:GenerateDataKey', by: roles(Callback, Mcp, Proxy, Refresh, StreamingProxy) },
    { sid: 'OpenTokens', name: 'open-tokens', action: 'kms:Decrypt', by: roles(Mcp, Proxy, Refresh, StreamingProxy) },
  ];
  const purpose = { StringEquals: { 'kms:EncryptionContext:ado-connect:purpose': 'tokens' } };
  const key = new CfnKey(scope, 'TokensKey', {
    description: "Wraps the data keys that seal ado-connect's tokens.",
    enableKeyRotation: true,
    pendingWindowInDays: 30,
    keyPolicy: document([
      {
        Sid: 'Administer',
        Effect: 'Allow',
        Principal: ACCOUNT,
        Action: ADMINISTRATION.map((one) => `kms:${one}`),
        Resource: '*',
      },
      ...uses.map(({ sid, action, by }): Statement => ({
        Sid: sid,
        Effect: 'Allow',
        Principal: ACCOUNT,
        Action: action,
        Resource: '*',
        Condition: {
          ...isOneOf(by),
          ...purpose,
          Null: { 'kms:EncryptionContext:ado-connect:integration': 'false' },
        },
      })),
    ]),
  });
  retain(key);
  // A first deployment that fails leaves no key behind.
  key.cfnOptions.deletionPolicy = CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE;
  // Separate from the roles, because the key's policy refers to them.
  for (const { sid, name, action, by } of uses) {
    new CfnPolicy(scope, sid, {
      policyName: name,
      roles: by.map((role) => role.ref),
      policyDocument: document([allow(action, key.attrArn, purpose)]),
    });
  }
  if (formerKeyArn) {
    new CfnPolicy(scope, 'OpenFormerTokens', {
      policyName: 'open-former-tokens',
      roles: roles(Mcp, Proxy, Refresh, StreamingProxy).map((role) => role.ref),
      policyDocument: document([allow('kms:Decrypt', formerKeyArn, purpose)]),
    });
  }
  return key;
}

/** Every principal of the account that its own policies allow as much. */
const ACCOUNT = { AWS: `arn:${Aws.PARTITION}:iam::${Aws.ACCOUNT_ID}:root` };

/** A condition, because IAM and KMS refuse a policy that names a role which they do not find yet. */
function isOneOf(roles: CfnRole[]): NonNullable<Statement['Condition']> {
  return { ArnEquals: { 'aws:PrincipalArn': roles.map((role) => role.attrArn) } };
}

const ADMINISTRATION = [
  'CancelKeyDeletion',
  'CreateAlias',
  'DeleteAlias',
  'DescribeKey',
  'DisableKey',
  'DisableKeyRotation',
  'EnableKey',
  'EnableKeyRotation',
  'GetKeyPolicy',
  'GetKeyRotationStatus',
  'ListGrants',
  'ListKeyPolicies',
  'ListResourceTags',
  'ListKeyRotations',
  'PutKeyPolicy',
  'RotateKeyOnDemand',
  'ScheduleKeyDeletion',
  'TagResource',
  'UntagResource',
  'UpdateAlias',
  'UpdateKeyDescription',
];

/** The role that an Entra app trusts; it only allows asking AWS for a token for Entra. */
export function makeFederationRole(scope: Construct, identities: Identities): CfnRole {
  const members = [
    identities.Callback,
    identities.Manage,
    identities.Mcp,
    identities.Proxy,
    identities.Refresh,
    identities.StreamingProxy,
  ].flatMap((identity) => (identity ? [identity.role] : []));
  const role = new CfnRole(scope, 'FederationRole', {
    assumeRolePolicyDocument: trust(ACCOUNT, isOneOf(members)),
    policies: [
      {
        policyName: 'federation',
        policyDocument: document([
          allow('sts:GetWebIdentityToken', '*', {
            'ForAllValues:StringEquals': {
              'sts:IdentityTokenAudience': [
                'api://AzureADTokenExchange',
                'api://AzureADTokenExchangeUSGov',
                'api://AzureADTokenExchangeChina',
              ],
            },
            NumericLessThanEquals: { 'sts:DurationSeconds': 300 },
            StringEquals: { 'sts:SigningAlgorithm': 'RS256' },
          }),
        ]),
      },
    ],
  });
  new CfnPolicy(scope, 'AssumeFederationRole', {
    policyName: 'assume-federation-role',
    roles: members.map((member) => member.ref),
    policyDocument: document([allow('sts:AssumeRole', role.attrArn)]),
  });
  return role;
}
