import { Aws } from 'aws-cdk-lib';
import {
  CfnApi,
  CfnApiMapping,
  CfnDomainName,
  CfnIntegration,
  CfnRoute,
  CfnStage,
} from 'aws-cdk-lib/aws-apigatewayv2';
import { CfnPermission, type Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

/** The routes of all functions but `manage`, which answers every other request. */
export const ROUTES = {
  AuthorizeRoute: ['GET /authorize', 'Authorize'],
  IntegrationCallbackRoute: ['GET /integration-callback', 'Callback'],
  ProtectedResourceRoute: ['GET /.well-known/oauth-protected-resource/{resource+}', 'Authorize'],
  AuthorizationServerRoute: ['GET /.well-known/oauth-authorization-server/{issuer+}', 'Authorize'],
  AskConsentRoute: ['GET /oauth/{integration}/authorize', 'Authorize'],
  GiveConsentRoute: ['POST /oauth/{integration}/authorize', 'Authorize'],
  RegisterClientRoute: ['POST /oauth/{integration}/register', 'Authorize'],
  TurnPassRoute: ['POST /oauth/{integration}/token', 'Authorize'],
  RevokePassRoute: ['POST /oauth/{integration}/revoke', 'Authorize'],
  RefreshConnectionRoute: ['POST /connections/{connection}/refresh', 'Proxy'],
  HandOutTokenRoute: ['POST /connections/{connection}/token', 'Proxy'],
  McpRoute: ['ANY /mcp/{mcp+}', 'Mcp'],
  ProxyRoute: ['ANY /proxy/{proxy+}', 'Proxy'],
  DefaultRoute: ['$default', 'Manage'],
} as const satisfies Record<string, readonly [routeKey: string, answeredBy: string]>;

/** The functions that answer HTTP requests. */
export type HttpFunction = (typeof ROUTES)[keyof typeof ROUTES][1];

/**
 * The format has no path and no query string, because they contain names of people and projects, and possibly secrets. Every
 * value is quoted, because API Gateway writes a hyphen for an absent one.
 */
const ACCESS_LOG =
  '{"time":"$context.requestTime","request_id":"$context.requestId","source_ip":"$context.identity.sourceIp","route":"$context.routeKey","status":"$context.status","bytes":"$context.responseLength","milliseconds":"$context.responseLatency","integration_error":"$context.integrationErrorMessage"}';

/** By name, because a wildcard does not cover Authorization. x-tfs-* and x-vss-* are Microsoft's client's for browsers. */
const REQUEST_HEADERS = [
  'accept',
  'authorization',
  'content-range',
  'content-type',
  'git-protocol',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'prefer',
  'range',
  'traceparent',
  'tracestate',
  'x-ado-connect-dry',
  'x-ado-connect-integration',
  'x-mcp-exclude-tools',
  'x-mcp-readonly',
  'x-mcp-tools',
  'x-mcp-toolsets',
  'x-ms-continuationtoken',
  'x-tfs-fedauthredirect',
  'x-tfs-session',
  'x-vss-e2eid',
  'x-vss-forcemsapassthrough',
  'x-vss-reauthenticationaction',
];

/**
 * API Gateway may rename WWW-Authenticate in a function's answer; a mapped header keeps its name. CloudFormation's names,
 * because the construct passes this property on as it is.
 */
const CHALLENGE = {
  ResponseParameters: [
    { Destination: 'overwrite:header.WWW-Authenticate', Source: '$response.header.x-ado-connect-challenge' },
  ],
};

/** The functions whose callers authenticate. */
const CHALLENGING: readonly string[] = ['Manage', 'Mcp', 'Proxy'];

export interface ApiOptions {
  readonly name: string;
  readonly corsOrigins: string[];
  /** Whether the address that AWS gives the API is closed. */
  readonly isExecuteApiClosed: boolean;
}

/** The API without its routes, because the functions' environment contains its address. */
export function makeApi(scope: Construct, options: ApiOptions): CfnApi {
  return new CfnApi(scope, 'Api', {
    name: options.name,
    protocolType: 'HTTP',
    disableExecuteApiEndpoint: options.isExecuteApiClosed,
    corsConfiguration:
      options.corsOrigins.length > 0
        ? {
            allowOrigins: options.corsOrigins,
            allowMethods: ['*'],
            allowHeaders: REQUEST_HEADERS,
            exposeHeaders: ['*'],
            maxAge: 600,
          }
        : undefined,
  });
}

export interface StageOptions {
  readonly name: string;
  readonly logRetentionDays: number;
  readonly rate: number;
  readonly burst: number;
  readonly domain?: { readonly name: string; readonly certificateArn: string };
}

/** The stage, its log, and its domain name; returns the last. */
export function makeStage(scope: Construct, api: CfnApi, options: StageOptions): CfnDomainName | undefined {
  const accessLogs = new CfnLogGroup(scope, 'AccessLogs', {
    // The account's log policy covers this prefix already, and its size is limited.
    logGroupName: `/aws/vendedlogs/${options.name}/access`,
    retentionInDays: options.logRetentionDays,
  });
  const stage = new CfnStage(scope, 'Stage', {
    apiId: api.ref,
    stageName: '$default',
    autoDeploy: true,
    defaultRouteSettings: { throttlingRateLimit: options.rate, throttlingBurstLimit: options.burst },
    accessLogSettings: { destinationArn: accessLogs.attrArn, format: ACCESS_LOG },
  });
  if (!options.domain) {
    return undefined;
  }
  const domain = new CfnDomainName(scope, 'Domain', {
    domainName: options.domain.name,
    domainNameConfigurations: [
      { certificateArn: options.domain.certificateArn, endpointType: 'REGIONAL', securityPolicy: 'TLS_1_2' },
    ],
  });
  new CfnApiMapping(scope, 'DomainMapping', { apiId: api.ref, domainName: domain.ref, stage: stage.ref });
  return domain;
}

/** The routes, and the integrations and permissions that invoke their functions. */
export function makeRoutes(scope: Construct, api: CfnApi, functions: Record<HttpFunction, LambdaFunction>): void {
  const integrations = {} as Record<HttpFunction, CfnIntegration>;
  for (const name of new Set(Object.values(ROUTES).map(([, answeredBy]) => answeredBy))) {
    const target = functions[name];
    integrations[name] = new CfnIntegration(scope, `${name}Integration`, {
      apiId: api.ref,
      integrationType: 'AWS_PROXY',
      integrationUri: target.functionArn,
      payloadFormatVersion: '2.0',
      responseParameters: CHALLENGING.includes(name) ? { '401': CHALLENGE, '403': CHALLENGE } : undefined,
    });
    new CfnPermission(scope, `${name}Permission`, {
      action: 'lambda:InvokeFunction',
      functionName: target.functionName,
      principal: 'apigateway.amazonaws.com',
      sourceArn: `arn:${Aws.PARTITION}:execute-api:${Aws.REGION}:${Aws.ACCOUNT_ID}:${api.ref}/*`,
    });
  }
  for (const [id, [routeKey, answeredBy]] of Object.entries(ROUTES)) {
    new CfnRoute(scope, id, { apiId: api.ref, routeKey, target: `integrations/${integrations[answeredBy].ref}` });
  }
}
