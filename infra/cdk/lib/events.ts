import { Aws } from 'aws-cdk-lib';
import { CfnApiDestination, CfnConnection, type CfnEventBus, CfnRule } from 'aws-cdk-lib/aws-events';
import { CfnRole } from 'aws-cdk-lib/aws-iam';
import { CfnQueue, CfnQueuePolicy } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { allow, document, trust } from './policies';
import type { AdoConnectProps } from './props';

/** Posts every event; returns the queue of events that the receiver refused for a day. */
export function makeWebhook(
  scope: Construct,
  eventBus: CfnEventBus,
  webhook: NonNullable<AdoConnectProps['webhook']>,
): CfnQueue {
  const connection = new CfnConnection(scope, 'WebhookConnection', {
    authorizationType: 'API_KEY',
    authParameters: {
      apiKeyAuthParameters: {
        apiKeyName: webhook.header ?? 'x-ado-connect-webhook',
        apiKeyValue: webhook.secret.unsafeUnwrap(),
      },
    },
  });
  const destination = new CfnApiDestination(scope, 'WebhookDestination', {
    connectionArn: connection.attrArn,
    invocationEndpoint: webhook.url,
    httpMethod: 'POST',
    invocationRateLimitPerSecond: 50,
  });
  const role = new CfnRole(scope, 'WebhookRole', {
    assumeRolePolicyDocument: trust(
      { Service: 'events.amazonaws.com' },
      { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    ),
    policies: [
      {
        policyName: 'post-events',
        policyDocument: document([allow('events:InvokeApiDestination', destination.attrArn)]),
      },
    ],
  });
  const deadLetters = new CfnQueue(scope, 'WebhookDeadLetters', {
    messageRetentionPeriod: 1_209_600,
    sqsManagedSseEnabled: true,
  });
  const rule = new CfnRule(scope, 'WebhookRule', {
    eventBusName: eventBus.ref,
    eventPattern: { source: ['ado-connect'] },
    targets: [
      {
        id: 'webhook',
        arn: destination.attrArn,
        roleArn: role.attrArn,
        retryPolicy: { maximumEventAgeInSeconds: 86_400, maximumRetryAttempts: 185 },
        deadLetterConfig: { arn: deadLetters.attrArn },
      },
    ],
  });
  new CfnQueuePolicy(scope, 'WebhookDeadLettersPolicy', {
    queues: [deadLetters.ref],
    policyDocument: document([
      {
        Effect: 'Allow',
        Principal: { Service: 'events.amazonaws.com' },
        Action: 'sqs:SendMessage',
        Resource: deadLetters.attrArn,
        Condition: { ArnEquals: { 'aws:SourceArn': rule.attrArn } },
      },
    ]),
  });
  return deadLetters;
}
