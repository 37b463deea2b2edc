import { Aws } from 'aws-cdk-lib';
import {
  CfnDeployment,
  CfnGatewayResponse,
  CfnMethod,
  CfnRequestValidator,
  CfnResource,
  CfnRestApi,
  CfnStage,
} from 'aws-cdk-lib/aws-apigateway';
import { CfnPermission, type Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

/** A problem of the service, in the words of its table of problems. */
interface Problem {
  readonly code: string;
  /** Absent for a whole class of refusals, each of which keeps its own. */
  readonly status?: number;
  readonly title: string;
  readonly advice: string;
  /** Further headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

const NOT_FOUND: Problem = {
  code: 'not_found',
  status: 404,
  title: 'There is nothing at this address',
  advice: 'Compare the address with the routes in /openapi.json.',
};
const SERVICE_UNAVAILABLE: Problem = {
  code: 'service_unavailable',
  status: 503,
  title: 'The service cannot answer right now',
  advice: 'Try again after the time in the Retry-After header.',
  headers: { 'Retry-After': '2' },
};

/** API Gateway's own refusals, as problem documents, with their types. */
const GATEWAY_RESPONSES: Readonly<Record<string, readonly [responseType: string, problem: Problem]>> = {
  // Git and other clients send a password only after this challenge, and a challenge of the function would reach them
  // under another name.
  StreamingMissingCredentials: ['BAD_REQUEST_PARAMETERS', {
    code: 'missing_credentials',
    status: 401,
    title: 'The request names no caller',
    advice: 'Send an API key as `Authorization: Bearer <key>`, or as the password of Basic authentication.',
    headers: { 'WWW-Authenticate': 'Bearer realm="ado-connect", Basic realm="ado-connect"' },
  }],
  StreamingNotFound: ['MISSING_AUTHENTICATION_TOKEN', NOT_FOUND],
  StreamingInvalidSignature: ['INVALID_SIGNATURE', NOT_FOUND],
  StreamingOtherRefusal: ['DEFAULT_4XX', {
    code: 'request_refused',
    title: 'The request was refused before it reached the service',
    advice: 'Compare the address with the routes in /openapi.json, and the request with the limits in the documentation.',
  }],
  StreamingRequestTooLarge: ['REQUEST_TOO_LARGE', {
    code: 'request_too_large',
    status: 413,
    title: 'The request is too large',
    advice: 'Send a smaller request; the limits are in the documentation.',
  }],
  StreamingThrottled: ['THROTTLED', {
    code: 'rate_limited',
    status: 429,
    title: 'Too many calls for the limit that the operator has set',
    advice: 'Try again after the time in the Retry-After header.',
    headers: { 'Retry-After': '2' },
  }],
  StreamingIntegrationFailure: ['INTEGRATION_FAILURE', SERVICE_UNAVAILABLE],
  StreamingIntegrationTimeout: ['INTEGRATION_TIMEOUT', SERVICE_UNAVAILABLE],
  StreamingOtherFailure: ['DEFAULT_5XX', { ...SERVICE_UNAVAILABLE, status: undefined }],
};

/** The format has no path and no query string, as in the HTTP API's access log. */
const ACCESS_LOG =
  '{"time":"$context.requestTime","request_id":"$context.requestId","source_ip":"$context.identity.sourceIp","route":"$context.httpMethod $context.resourcePath","status":"$context.status","bytes":"$context.responseLength","milliseconds":"$context.responseLatency","refusal":"$context.error.responseType"}';

/** The REST API without its methods, because the functions' environment contains its address. */
export function makeStreamingApi(scope: Construct, name: string, isExecuteApiClosed: boolean): CfnRestApi {
  return new CfnRestApi(scope, 'StreamingApi', {
    name: `${name}-streaming`,
    binaryMediaTypes: ['*/*'],
    endpointConfiguration: { types: ['REGIONAL'] },
    disableExecuteApiEndpoint: isExecuteApiClosed,
  });
}

export function streamingUrl(api: CfnRestApi): string {
  return `https://${api.ref}.execute-api.${Aws.REGION}.${Aws.URL_SUFFIX}/live`;
}

export interface StreamingOptions {
  readonly name: string;
  readonly publicUrl: string;
  readonly rate: number;
  readonly burst: number;
  /** Absent without an access log. */
  readonly accessLogRetentionDays?: number;
}

/** Routes the proxy's path to the streaming proxy. */
export function makeStreamingRoute(
  scope: Construct,
  api: CfnRestApi,
  target: LambdaFunction,
  options: StreamingOptions,
): void {
  const proxy = new CfnResource(scope, 'StreamingProxyPath', {
    restApiId: api.ref,
    parentId: api.attrRootResourceId,
    pathPart: 'proxy',
  });
  const address = new CfnResource(scope, 'StreamingAddressPath', {
    restApiId: api.ref,
    parentId: proxy.ref,
    pathPart: '{proxy+}',
  });
  const validator = new CfnRequestValidator(scope, 'StreamingValidator', {
    restApiId: api.ref,
    name: 'parameters',
    validateRequestParameters: true,
    validateRequestBody: false,
  });
  const of = {
    restApiId: api.ref,
    resourceId: address.ref,
    // The function authenticates callers itself, as it does behind the HTTP API. Without credentials it is not called.
    authorizationType: 'NONE',
    integration: {
      type: 'AWS_PROXY',
      integrationHttpMethod: 'POST',
      uri: `arn:${Aws.PARTITION}:apigateway:${Aws.REGION}:lambda:path/2021-11-15/functions/${target.functionArn}/response-streaming-invocations`,
      responseTransferMode: 'STREAM',
      timeoutInMillis: 900_000,
    },
  };
  const pictured = [
    new CfnMethod(scope, 'StreamingMethod', {
      ...of,
      httpMethod: 'ANY',
      requestValidatorId: validator.ref,
      requestParameters: { 'method.request.header.Authorization': true },
    }),
    // A browser asks for permission without credentials (Fetch standard, CORS preflight), so nothing is required here.
    new CfnMethod(scope, 'StreamingOptionsMethod', { ...of, httpMethod: 'OPTIONS' }),
    ...Object.entries(GATEWAY_RESPONSES).map(([id, [responseType, problem]]) =>
      makeGatewayResponse(scope, id, api, responseType, problem)),
  ];
  // A snapshot of the API; its id contains a hash of the API's resources, as in the SAM template.
  const deployment = new CfnDeployment(scope, 'StreamingDeploymente71246b3', { restApiId: api.ref });
  for (const resource of pictured) {
    deployment.addResourceDependency(resource);
  }
  const logs =
    options.accessLogRetentionDays === undefined
      ? undefined
      : new CfnLogGroup(scope, 'StreamingAccessLogs', {
          logGroupName: `/${options.name}/streaming-access`,
          retentionInDays: options.accessLogRetentionDays,
        });
  new CfnStage(scope, 'StreamingStage', {
    restApiId: api.ref,
    deploymentId: deployment.ref,
    stageName: 'live',
    variables: {
      publicUrl: options.publicUrl,
      // This variable changes the stage, because API Gateway opens or closes the API's own address only when the stage
      // changes. Nothing reads the variable.
      executeApiDisabled: String(api.disableExecuteApiEndpoint),
    },
    // A trace of API Gateway contains the path.
    tracingEnabled: false,
    accessLogSetting: logs && { destinationArn: logs.attrArn, format: ACCESS_LOG },
    methodSettings: [
      {
        httpMethod: '*',
        resourcePath: '/*',
        throttlingRateLimit: options.rate,
        throttlingBurstLimit: options.burst,
      },
    ],
  });
  new CfnPermission(scope, 'StreamingProxyPermission', {
    action: 'lambda:InvokeFunction',
    functionName: target.functionName,
    principal: 'apigateway.amazonaws.com',
    sourceArn: `arn:${Aws.PARTITION}:execute-api:${Aws.REGION}:${Aws.ACCOUNT_ID}:${api.ref}/*/*/proxy/*`,
  });
}

function makeGatewayResponse(
  scope: Construct,
  id: string,
  api: CfnRestApi,
  responseType: string,
  { code, status, title, advice, headers }: Problem,
): CfnGatewayResponse {
  const all = { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store', ...headers };
  return new CfnGatewayResponse(scope, id, {
    restApiId: api.ref,
    responseType,
    statusCode: status?.toString(),
    responseParameters: Object.fromEntries(
      Object.entries(all).map(([name, value]) => [`gatewayresponse.header.${name}`, `'${value}'`]),
    ),
    responseTemplates: {
      'application/json': JSON.stringify({
        type: `$stageVariables.publicUrl/problems/${code}`,
        title,
        status,
        code,
        advice,
        request_id: '$context.requestId',
      }),
    },
  });
}
