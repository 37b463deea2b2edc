import { Aws, CfnOutput, Duration, SecretValue, Stack } from 'aws-cdk-lib';
import { type ITable, Table } from 'aws-cdk-lib/aws-dynamodb';
import { CfnEventBus, EventBus, type IEventBus } from 'aws-cdk-lib/aws-events';
import { CfnRole } from 'aws-cdk-lib/aws-iam';
import { Architecture, CfnPermission, type Function as LambdaFunction, RecursiveLoop } from 'aws-cdk-lib/aws-lambda';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { makeApi, makeRoutes, makeStage } from './api';
import { makeData } from './data';
import { makeWebhook } from './events';
import { type FunctionOptions, type FunctionSize, makeFunction } from './functions';
import {
  type FunctionName,
  type Identities,
  makeFederationRole,
  makeIdentities,
  makeTokensKey,
} from './permissions';
import type { AdoConnectProps } from './props';
import { makeQueues, makeSchedule } from './schedule';
import { validate } from './validate';
import { makeStreamingApi, makeStreamingRoute, streamingUrl } from './streaming';
import { makeWatch } from './watch';

export type { AdoConnectProps } from './props';

/**
 * ado-connect: connects an application's users to Azure DevOps through Microsoft Entra ID, and calls Azure DevOps on
 * their behalf. The same resources, routes and permissions as `infra/template.yaml`, which a test compares.
 */
export class AdoConnect extends Construct {
  /** The base address for your application. */
  readonly gatewayUrl: string;
  /** The redirect URI to register in the Entra app, platform Web, exactly as it is here. */
  readonly redirectUri: string;
  /** The address of the streaming proxy, if there is one. */
  readonly streamingUrl?: string;
  /** The secret whose value is the operator key. */
  readonly operatorKey: ISecret;
  /** The bus that events are put on. */
  readonly eventBus: IEventBus;
  /** The tables, for monitoring and backups. Only the functions should write to them. */
  readonly tables: Readonly<Record<'integrations' | 'sessions' | 'connections' | 'tokens' | 'audit' | 'passes', ITable>>;
  /** The functions, for monitoring. Grants to them have no effect, because their roles are complete. */
  readonly functions: Readonly<{ [N in keyof Identities]: LambdaFunction }>;
  /** The subject of the federated credential in the Entra app, if there is one. */
  readonly federationSubject?: string;

  constructor(scope: Construct, id: string, props: AdoConnectProps = {}) {
    super(scope, id);
    const name = props.name ?? Stack.of(this).stackName;
    validate(name, props);
    const throttle = { rate: props.throttle?.rate ?? 500, burst: props.throttle?.burst ?? 1000 };
    const logRetentionDays = props.logRetentionDays ?? 30;
    const workers = props.refresh?.workers ?? 4;

    const data = makeData(this, name, props.deletionProtection ?? true);
    const queues = makeQueues(this);
    const eventBus = new CfnEventBus(this, 'EventBus', { name });
    const identities = makeIdentities(this, {
      name,
      logRetentionDays,
      data,
      eventBus,
      ...queues,
      streams: props.streamingProxy ?? false,
      rotates: props.secretRotation !== undefined,
    });
    const key = makeTokensKey(this, identities, props.formerTokensKeyArn);
    const federationRole = props.federatedCredential ? makeFederationRole(this, identities) : undefined;
    this.federationSubject = federationRole?.attrArn;

    const isExecuteApiClosed = props.disableExecuteApi ?? false;
    const api = makeApi(this, {
      name,
      corsOrigins: props.corsOrigins ?? [],
      isExecuteApiClosed: isExecuteApiClosed || props.domain !== undefined,
    });
    const streamingApi = props.streamingProxy ? makeStreamingApi(this, name, isExecuteApiClosed) : undefined;
    this.streamingUrl = streamingApi && (props.streamingPublicUrl ?? streamingUrl(streamingApi));
    this.gatewayUrl = props.publicUrl ?? (props.domain ? `https://${props.domain.name}` : api.attrApiEndpoint);
    this.redirectUri = `${this.gatewayUrl}/integration-callback`;

    this.functions = this.makeFunctions(props, identities, {
      PUBLIC_URL: this.gatewayUrl,
      STREAMING_URL: this.streamingUrl ?? '',
      INTEGRATIONS_TABLE: data.integrations.ref,
      SESSIONS_TABLE: data.sessions.ref,
      CONNECTIONS_TABLE: data.connections.ref,
      TOKENS_TABLE: data.tokens.ref,
      AUDIT_TABLE: data.audit.ref,
      PASSES_TABLE: data.passes.ref,
      AUDIT_DAYS: String(props.auditDays ?? 400),
      TOKENS_KEY_ID: key.attrArn,
      FORMER_TOKENS_KEY_ID: props.formerTokensKeyArn ?? '',
      SECRETS_PREFIX: `${name}/`,
      OPERATOR_KEY_SECRET: data.operatorKey.ref,
      EVENT_BUS: eventBus.ref,
      METRICS_NAMESPACE: name,
      REFRESH_SHARDS: String(props.refresh?.shards ?? 4),
      FEDERATION_ROLE_ARN: federationRole?.attrArn ?? '',
      PORTAL: props.portal === false ? 'off' : 'on',
      JWT_ISSUER: props.jwt?.issuer ?? '',
      JWT_AUDIENCE: props.jwt?.audience ?? '',
      JWT_USER_CLAIM: props.jwt?.userClaim ?? 'sub',
      CORS_ORIGINS: (props.corsOrigins ?? []).join(','),
      ENTRA_CLOUD: props.entraCloud ?? 'public',
      // Tests set these to servers in Microsoft's place.
      ENTRA_URL: '',
      DEVOPS_URL: '',
    }, name, {
      REFRESH_QUEUE_URL: queues.queue.ref,
      REFRESH_DEAD_LETTERS_ARN: queues.deadLetters.attrArn,
      REFRESH_CONCURRENCY: String(props.refresh?.concurrency ?? 16),
      REFRESH_RATE: String(props.refresh?.rate ?? 100),
    });

    const { Refresh, StreamingProxy } = this.functions;
    const domain = makeStage(this, api, { name, logRetentionDays, ...throttle, domain: props.domain });
    makeRoutes(this, api, this.functions);
    if (streamingApi && StreamingProxy) {
      makeStreamingRoute(this, streamingApi, StreamingProxy, {
        name,
        publicUrl: this.gatewayUrl,
        ...throttle,
        accessLogRetentionDays: props.streamingAccessLog ? logRetentionDays : undefined,
      });
    }
    const schedule = makeSchedule(this, Refresh, queues, workers);
    const webhookDeadLetters = props.webhook && makeWebhook(this, eventBus, props.webhook);
    const dashboard = makeWatch(this, {
      name,
      api,
      functions: this.functions,
      logs: identities,
      schedule,
      queues,
      webhookDeadLetters,
      serverErrorsPerFiveMinutes: props.serverErrorsPerFiveMinutes ?? 10,
      slowestMilliseconds: props.slowestMilliseconds ?? 10_000,
      unauthorizedPerFiveMinutes: props.unauthorizedPerFiveMinutes ?? 100,
      alarmTopicArn: props.alarmTopicArn,
      trail: props.cloudTrail && {
        logGroupName: props.cloudTrail.logGroupName,
        decryptsPerFiveMinutes: props.cloudTrail.decryptsPerFiveMinutes ?? 1000,
        tokensKey: key,
      },
    });

    if (props.permissionsBoundaryArn) {
      this.bound(props.permissionsBoundaryArn);
    }

    this.operatorKey = Secret.fromSecretCompleteArn(this, 'OperatorKeyReference', data.operatorKey.ref);
    this.eventBus = EventBus.fromEventBusArn(this, 'EventBusReference', eventBus.attrArn);
    const table = (id: string, tableArn: string) =>
      Table.fromTableAttributes(this, id, { tableArn, grantIndexPermissions: true });
    this.tables = {
      integrations: table('IntegrationsReference', data.integrations.attrArn),
      sessions: table('SessionsReference', data.sessions.attrArn),
      connections: table('ConnectionsReference', data.connections.attrArn),
      tokens: table('TokensReference', data.tokens.attrArn),
      audit: table('AuditReference', data.audit.attrArn),
      passes: table('PassesReference', data.passes.attrArn),
    };
    this.output({
      GatewayUrl: ["The API's address.", this.gatewayUrl],
      PortalUrl: ['The portal, where operators sign in.', `${this.gatewayUrl}/`],
      RedirectUri: ['The redirect URI to register in the Entra app, platform Web, exactly as it is here.', this.redirectUri],
      OperatorKeySecret: ['The secret whose value is the operator key.', data.operatorKey.ref],
      StreamingUrl: [
        "The address of the streaming proxy; for calls with large responses, in place of the gateway's address.",
        this.streamingUrl,
      ],
      StreamingApiId: [
        "The id of the streaming proxy's REST API, whose stage is live; for a domain name of yours.",
        streamingApi?.ref,
      ],
      DomainTarget: [
        "The target of your domain name's alias or CNAME record.",
        domain?.attrRegionalDomainName,
      ],
      DomainTargetZone: [
        'The hosted zone of that target, which an alias record in Route 53 requires.',
        domain?.attrRegionalHostedZoneId,
      ],
      FederationSubject: ['The subject of the federated credential in the Entra app.', this.federationSubject],
      RotationFunction: [
        "The function that renews a client secret, for rotate-secret.",
        this.functions.Rotate?.functionArn,
      ],
      EventBusName: ['The bus that events are put on.', eventBus.ref],
      IntegrationsTableName: [
        "The table of integrations, API keys and the service's pause. It remains when the stack is deleted.",
        data.integrations.ref,
      ],
      ConnectionsTableName: ['The table of connections. It remains when the stack is deleted.', data.connections.ref],
      TokensTableName: ['The table of sealed tokens. It remains when the stack is deleted.', data.tokens.ref],
      AuditTableName: ['The table of the audit trail. It remains when the stack is deleted.', data.audit.ref],
      PassesTableName: [
        'The table of the passes of MCP clients. It remains when the stack is deleted.',
        data.passes.ref,
      ],
      TokensKeyId: [
        'The KMS key without which no token can be opened. It remains when the stack is deleted.',
        key.ref,
      ],
      DashboardUrl: [
        'The dashboard.',
        `https://${Aws.REGION}.console.aws.amazon.com/cloudwatch/home?region=${Aws.REGION}#dashboards/dashboard/${dashboard.ref}`,
      ],
    });
  }

  private bound(permissionsBoundary: string): void {
    for (const child of this.node.findAll()) {
      if (child instanceof CfnRole) {
        child.permissionsBoundary = permissionsBoundary;
      }
    }
  }

  private makeFunctions(
    props: AdoConnectProps,
    identities: Identities,
    environment: Record<string, string>,
    name: string,
    refreshEnvironment: Record<string, string>,
  ): AdoConnect['functions'] {
    const options: FunctionOptions = {
      name,
      artifacts: props.artifacts,
      source: props.source,
      architecture: props.architecture === 'x86_64' ? Architecture.X86_64 : Architecture.ARM_64,
      environment,
    };
    const floors = props.reservedFloors ? { authorize: 10, callback: 10, manage: 10, refresh: 20 } : {};
    const reserved = { ...floors, ...props.reservedConcurrency };
    const calling = (own?: number) => ({
      EXECUTIONS: String(own ?? props.accountExecutions ?? 1000),
      TRUST_SECONDS: String(props.trustSeconds ?? 0),
    });
    const make = <N extends FunctionName>(which: N, identity: NonNullable<Identities[N]>, size: FunctionSize) =>
      makeFunction(this, which, identity, options, size);
    const seconds = (amount: number) => Duration.seconds(amount);
    const small = { memorySize: 256, timeout: seconds(28) };
    const functions = {
      Authorize: make('Authorize', identities.Authorize, { ...small, reserved: reserved.authorize }),
      Callback: make('Callback', identities.Callback, { ...small, reserved: reserved.callback }),
      Manage: make('Manage', identities.Manage, { ...small, reserved: reserved.manage }),
      Mcp: make('Mcp', identities.Mcp, {
        ...small,
        reserved: reserved.mcp,
        environment: calling(reserved.mcp),
      }),
      Proxy: make('Proxy', identities.Proxy, {
        ...small,
        reserved: reserved.proxy,
        environment: calling(reserved.proxy),
      }),
      Refresh: make('Refresh', identities.Refresh, {
        memorySize: 512,
        timeout: seconds(60),
        reserved: reserved.refresh,
        environment: refreshEnvironment,
        // It sends the work that its time did not allow back to its own queue, bounded by the maximum concurrency and
        // by one message a minute and shard.
        recursiveLoop: RecursiveLoop.ALLOW,
      }),
      StreamingProxy:
        identities.StreamingProxy &&
        make('StreamingProxy', identities.StreamingProxy, {
          memorySize: 512,
          timeout: seconds(900),
          reserved: reserved.streaming,
          builtFrom: 'proxy',
          environment: { RESPONSE_MODE: 'streamed', ...calling(reserved.streaming) },
        }),
      Rotate:
        identities.Rotate &&
        make('Rotate', identities.Rotate, {
          memorySize: 256,
          timeout: seconds(120),
          environment: {
            ROTATION_TENANT: props.secretRotation?.tenant ?? '',
            ROTATION_VALID_DAYS: String(props.secretRotation?.validDays ?? 180),
            GRAPH_URL: '',
          },
        }),
    };
    if (functions.Rotate) {
      new CfnPermission(this, 'RotatePermission', {
        action: 'lambda:InvokeFunction',
        functionName: functions.Rotate.functionName,
        principal: 'secretsmanager.amazonaws.com',
        sourceAccount: Aws.ACCOUNT_ID,
      });
    }
    return functions;
  }

  /** Outputs of the stack under the names that the documentation uses. */
  private output(outputs: Record<string, readonly [description: string, value: string | undefined]>): void {
    for (const [id, [description, value]] of Object.entries(outputs)) {
      if (value !== undefined) {
        new CfnOutput(this, id, { description, value });
      }
    }
  }
}

/** For a webhook's secret that is not in code: `SecretValue.secretsManager(arn)`. */
export { SecretValue };
