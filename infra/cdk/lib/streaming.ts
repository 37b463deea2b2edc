import { Aws } from 'aws-cdk-lib';
import { CfnDeployment, CfnMethod, CfnResource, CfnRestApi, CfnStage } from 'aws-cdk-lib/aws-apigateway';
import { CfnPermission, type Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

/** The REST API without its methods, because the functions' environment contains its address. */
export function makeStreamingApi(scope: Construct, name: string): CfnRestApi {
  return new CfnRestApi(scope, 'StreamingApi', {
    name: `${name}-streaming`,
    binaryMediaTypes: ['*/*'],
    endpointConfiguration: { types: ['REGIONAL'] },
  });
}

export function streamingUrl(api: CfnRestApi): string {
  return `https://${api.ref}.execute-api.${Aws.REGION}.${Aws.URL_SUFFIX}/live`;
}

/** Routes the proxy's path to the streaming proxy. */
export function makeStreamingRoute(
  scope: Construct,
  api: CfnRestApi,
  target: LambdaFunction,
  throttle: { readonly rate: number; readonly burst: number },
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
  const method = new CfnMethod(scope, 'StreamingMethod', {
    restApiId: api.ref,
    resourceId: address.ref,
    httpMethod: 'ANY',
    // The function authenticates callers itself, as it does behind the HTTP API.
    authorizationType: 'NONE',
    integration: {
      type: 'AWS_PROXY',
      integrationHttpMethod: 'POST',
      uri: `arn:${Aws.PARTITION}:apigateway:${Aws.REGION}:lambda:path/2021-11-15/functions/${target.functionArn}/response-streaming-invocations`,
      responseTransferMode: 'STREAM',
      timeoutInMillis: 900_000,
    },
  });
  // A snapshot of the API; its id contains a hash of the API's resources, as in the SAM template.
  const deployment = new CfnDeployment(scope, 'StreamingDeployment281e7c18', { restApiId: api.ref });
  deployment.addResourceDependency(method);
  new CfnStage(scope, 'StreamingStage', {
    restApiId: api.ref,
    deploymentId: deployment.ref,
    stageName: 'live',
    tracingEnabled: true,
    methodSettings: [
      {
        httpMethod: '*',
        resourcePath: '/*',
        throttlingRateLimit: throttle.rate,
        throttlingBurstLimit: throttle.burst,
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
