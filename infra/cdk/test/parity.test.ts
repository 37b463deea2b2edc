import { SecretValue } from 'aws-cdk-lib';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdoConnectProps } from '../lib/ado-connect';
import { ROUTES } from '../lib/api';
import type { Json, Template } from './evaluate';
import { cdkTemplate, samTemplate } from './templates';

const TENANT = 'b2b2b2b2-0000-4000-8000-00000000000b';
const WEBHOOK_SECRET = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:webhook-AbCdEf';

/** Every option, as a property of the construct and as parameters of the SAM template. */
const ALL_OPTIONS: { props: AdoConnectProps; parameters: Record<string, Json> } = {
  props: {
    architecture: 'x86_64',
    domain: { name: 'ado.mycompany.example', certificateArn: 'arn:aws:acm:eu-west-1:123456789012:certificate/1' },
    streamingPublicUrl: 'https://ado-streams.mycompany.example',
    disableExecuteApi: true,
    corsOrigins: ['https://app.mycompany.example', 'https://admin.mycompany.example'],
    jwt: { issuer: 'https://id.mycompany.example', audience: 'ado-connect', userClaim: 'email' },
    streamingProxy: true,
    streamingAccessLog: true,
    federatedCredential: true,
    secretRotation: { tenant: 'a1a1a1a1-0000-4000-8000-00000000000a', validDays: 90 },
    webhook: {
      url: 'https://app.mycompany.example/events',
      header: 'x-secret',
      secret: SecretValue.secretsManager(WEBHOOK_SECRET),
    },
    alarmTopicArn: 'arn:aws:sns:eu-west-1:123456789012:alarms',
    logRetentionDays: 90,
    auditDays: 1000,
    unauthorizedPerFiveMinutes: 7,
    serverErrorsPerFiveMinutes: 3,
    slowestMilliseconds: 5000,
    cloudTrail: { logGroupName: 'cloudtrail', decryptsPerFiveMinutes: 50 },
    throttle: { rate: 10, burst: 20 },
    accountExecutions: 300,
    reservedFloors: true,
    trustSeconds: 20,
    reservedConcurrency: { authorize: 1, callback: 2, manage: 3, mcp: 6, proxy: 4, streaming: 5, refresh: 0 },
    refresh: { shards: 8, workers: 8, concurrency: 32, rate: 50 },
    deletionProtection: false,
    formerTokensKeyArn: 'arn:aws:kms:eu-west-1:123456789012:key/1',
    permissionsBoundaryArn: 'arn:aws:iam::123456789012:policy/boundary',
    entraCloud: 'us_government',
  },
  parameters: {
    Architecture: 'x86_64',
    DomainName: 'ado.mycompany.example',
    CertificateArn: 'arn:aws:acm:eu-west-1:123456789012:certificate/1',
    StreamingPublicUrl: 'https://ado-streams.mycompany.example',
    DisableExecuteApi: 'true',
    CorsOrigins: 'https://app.mycompany.example,https://admin.mycompany.example',
    JwtIssuer: 'https://id.mycompany.example',
    JwtAudience: 'ado-connect',
    JwtUserClaim: 'email',
    StreamingProxy: 'true',
    StreamingAccessLog: 'true',
    FederatedCredential: 'true',
    SecretRotation: 'true',
    RotationTenant: 'a1a1a1a1-0000-4000-8000-00000000000a',
    RotationValidDays: 90,
    WebhookUrl: 'https://app.mycompany.example/events',
    WebhookHeader: 'x-secret',
    WebhookSecretArn: WEBHOOK_SECRET,
    AlarmTopicArn: 'arn:aws:sns:eu-west-1:123456789012:alarms',
    LogRetentionDays: 90,
    AuditDays: 1000,
    UnauthorizedPerFiveMinutes: 7,
    ServerErrorsPerFiveMinutes: 3,
    SlowestMilliseconds: 5000,
    CloudTrailLogGroup: 'cloudtrail',
    DecryptsPerFiveMinutes: 50,
    ThrottleRate: 10,
    ThrottleBurst: 20,
    AccountExecutions: 300,
    ReservedFloors: 'true',
    TrustSeconds: 20,
    AuthorizeConcurrency: 1,
    CallbackConcurrency: 2,
    ManageConcurrency: 3,
    McpConcurrency: 6,
    ProxyConcurrency: 4,
    StreamingConcurrency: 5,
    RefreshReserved: 0,
    RefreshShards: 8,
    RefreshWorkers: 8,
    RefreshConcurrency: 32,
    RefreshRate: 50,
    DeletionProtection: 'false',
    FormerTokensKeyArn: 'arn:aws:kms:eu-west-1:123456789012:key/1',
    PermissionsBoundaryArn: 'arn:aws:iam::123456789012:policy/boundary',
    EntraCloud: 'us_government',
  },
};

/** The same resources with the same properties: routes, permissions, variables, sizes, alarms. */
function assertSame(cdk: Template, sam: Template): void {
  assert.deepEqual(Object.keys(cdk.Resources).sort(), Object.keys(sam.Resources).sort());
  for (const [id, resource] of Object.entries(sam.Resources)) {
    assert.deepEqual(cdk.Resources[id], resource, id);
  }
  assert.deepEqual(cdk.Outputs, sam.Outputs);
}

test('without options the construct deploys the same as the SAM template', () => {
  assertSame(cdkTemplate({}), samTemplate({}));
});

test('with all options the construct deploys the same as the SAM template', () => {
  const sam = samTemplate(ALL_OPTIONS.parameters);
  assert.ok(Object.keys(sam.Resources).length > Object.keys(samTemplate({}).Resources).length + 15);
  assertSame(cdkTemplate(ALL_OPTIONS.props), sam);
});

test('with each option alone the construct deploys the same as the SAM template', () => {
  const alone: [AdoConnectProps, Record<string, Json>][] = [
    [{ portal: false }, { Portal: 'off' }],
    [{ streamingProxy: true }, { StreamingProxy: 'true' }],
    [{ streamingAccessLog: true }, { StreamingAccessLog: 'true' }],
    [{ federatedCredential: true }, { FederatedCredential: 'true' }],
    [{ publicUrl: 'https://ado.mycompany.example' }, { PublicUrl: 'https://ado.mycompany.example' }],
    [{ publicUrl: 'https://b.example', disableExecuteApi: true }, { PublicUrl: 'https://b.example', DisableExecuteApi: 'true' }],
    [{ corsOrigins: ['https://app.mycompany.example'] }, { CorsOrigins: 'https://app.mycompany.example' }],
    [{ reservedConcurrency: { refresh: 6 } }, { RefreshReserved: 6 }],
    [{ reservedFloors: true }, { ReservedFloors: 'true' }],
    [{ reservedFloors: true, reservedConcurrency: { manage: 3 } }, { ReservedFloors: 'true', ManageConcurrency: 3 }],
    [{ trustSeconds: 5 }, { TrustSeconds: 5 }],
    [{ accountExecutions: 10, streamingProxy: true }, { AccountExecutions: 10, StreamingProxy: 'true' }],
    [{ domain: { name: 'a.example', certificateArn: 'arn:x' } }, { DomainName: 'a.example', CertificateArn: 'arn:x' }],
    [{ publicUrl: 'https://b.example', domain: { name: 'a.example', certificateArn: 'arn:x' } }, { PublicUrl: 'https://b.example', DomainName: 'a.example', CertificateArn: 'arn:x' }],
    [{ jwt: { issuer: 'https://i.example', audience: 'a' } }, { JwtIssuer: 'https://i.example', JwtAudience: 'a' }],
    [{ secretRotation: { tenant: TENANT } }, { SecretRotation: 'true', RotationTenant: TENANT }],
    [{ webhook: { url: 'https://w', secret: SecretValue.secretsManager(WEBHOOK_SECRET) } }, { WebhookUrl: 'https://w', WebhookSecretArn: WEBHOOK_SECRET }],
    [{ alarmTopicArn: 'arn:aws:sns:a' }, { AlarmTopicArn: 'arn:aws:sns:a' }],
    [{ cloudTrail: { logGroupName: 'cloudtrail' } }, { CloudTrailLogGroup: 'cloudtrail' }],
    [{ architecture: 'x86_64' }, { Architecture: 'x86_64' }],
    [{ deletionProtection: false }, { DeletionProtection: 'false' }],
    [{ permissionsBoundaryArn: 'arn:aws:iam::1:policy/b' }, { PermissionsBoundaryArn: 'arn:aws:iam::1:policy/b' }],
    [{ logRetentionDays: 7 }, { LogRetentionDays: 7 }],
    [{ entraCloud: 'china' }, { EntraCloud: 'china' }],
  ];
  for (const [props, parameters] of alone) {
    assertSame(cdkTemplate(props), samTemplate(parameters));
  }
});

test('a changed permission, route, variable or alarm is found', () => {
  const cdk = cdkTemplate({});
  const changes: [string, string][] = [
    ['[dynamodb:GetItem, dynamodb:PutItem, dynamodb:UpdateItem]', '[dynamodb:GetItem, dynamodb:PutItem, dynamodb:UpdateItem, dynamodb:Scan]'],
    ["RouteKey: 'GET /authorize'", "RouteKey: 'GET /authorized'"],
    ['EVENT_BUS: !Ref EventBus', 'EVENT_BUS: !Ref EventBus\n        ANOTHER: value'],
    ['Threshold: 600', 'Threshold: 601'],
    ['kms:EncryptionContext:ado-connect:purpose: tokens', 'kms:EncryptionContext:ado-connect:purpose: any'],
    ['                  - !GetAtt CallbackRole.Arn\n                  - !GetAtt McpRole.Arn', '                  - !GetAtt McpRole.Arn'],
    ['PointInTimeRecoveryEnabled: true', 'PointInTimeRecoveryEnabled: false'],
    ['CodeUri: ../functions/manage', 'CodeUri: ../functions/authorize'],
    ['DependsOn: RefreshSchedule', 'DependsOn: SweepSchedule'],
    ["'${AWS::StackName}/operator-key'", "'ado-connect/operator-key'"],
    ['DeletionPolicy: RetainExceptOnCreate', 'DeletionPolicy: Retain'],
    ["DashboardName: !Sub '${AWS::StackName}-${AWS::Region}'", 'DashboardName: !Ref AWS::StackName'],
  ];
  for (const [from, to] of changes) {
    const changed = samTemplate({}, (text) => {
      assert.ok(text.includes(from), from);
      return text.replace(from, to);
    });
    assert.throws(() => assertSame(cdk, changed), assert.AssertionError, to);
  }
});

test('every route has the function of the SAM template', () => {
  const sam = samTemplate({});
  const routes = Object.entries(sam.Resources).filter(([, { Type }]) => Type === 'AWS::ApiGatewayV2::Route');
  assert.equal(routes.length, Object.keys(ROUTES).length);
  const bound: Record<string, readonly [routeKey: string, answeredBy: string]> = ROUTES;
  for (const [id, { Properties }] of routes) {
    const [routeKey, answeredBy] = bound[id] ?? [];
    assert.deepEqual([Properties['RouteKey'], Properties['Target']], [routeKey, `integrations/<${answeredBy}Integration>`]);
  }
});
