import { CfnDeletionPolicy, type CfnResource } from 'aws-cdk-lib';
import { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import { CfnSecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';

/** The tables, and the operator key. */
export interface Data {
  readonly integrations: CfnTable;
  readonly sessions: CfnTable;
  readonly connections: CfnTable;
  readonly tokens: CfnTable;
  readonly audit: CfnTable;
  readonly passes: CfnTable;
  readonly operatorKey: CfnSecret;
}

export function makeData(scope: Construct, name: string, deletionProtectionEnabled: boolean): Data {
  const common = {
    billingMode: 'PAY_PER_REQUEST',
    keySchema: [{ attributeName: 'pk', keyType: 'HASH' }],
    sseSpecification: { sseEnabled: true },
  };
  const pk = { attributeName: 'pk', attributeType: 'S' };
  const kept = { deletionProtectionEnabled, pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true } };
  const expiring = { timeToLiveSpecification: { attributeName: 'expires_at', enabled: true } };
  const integrations = new CfnTable(scope, 'IntegrationsTable', { ...common, ...kept, attributeDefinitions: [pk] });
  const sessions = new CfnTable(scope, 'SessionsTable', { ...common, ...expiring, attributeDefinitions: [pk] });
  const tokens = new CfnTable(scope, 'TokensTable', { ...common, ...kept, ...expiring, attributeDefinitions: [pk] });
  const connections = new CfnTable(scope, 'ConnectionsTable', {
    ...common,
    ...kept,
    attributeDefinitions: [
      pk,
      { attributeName: 'integration', attributeType: 'S' },
      { attributeName: 'user', attributeType: 'S' },
      { attributeName: 'due_shard', attributeType: 'N' },
      { attributeName: 'due_at', attributeType: 'N' },
    ],
    globalSecondaryIndexes: [
      {
        indexName: 'by_user',
        keySchema: [
          { attributeName: 'integration', keyType: 'HASH' },
          { attributeName: 'user', keyType: 'RANGE' },
        ],
        projection: { projectionType: 'KEYS_ONLY' },
      },
      {
        indexName: 'by_due',
        keySchema: [
          { attributeName: 'due_shard', keyType: 'HASH' },
          { attributeName: 'due_at', keyType: 'RANGE' },
        ],
        projection: { projectionType: 'INCLUDE', nonKeyAttributes: ['integration', 'tenant_id'] },
      },
    ],
  });
  // No role may update or delete an item; functions only put new ones.
  const audit = new CfnTable(scope, 'AuditTable', {
    ...common,
    ...kept,
    ...expiring,
    attributeDefinitions: [pk, { attributeName: 'sk', attributeType: 'S' }],
    keySchema: [...common.keySchema, { attributeName: 'sk', keyType: 'RANGE' }],
  });
  const passes = new CfnTable(scope, 'PassesTable', {
    ...common,
    ...kept,
    ...expiring,
    attributeDefinitions: [pk, { attributeName: 'connection', attributeType: 'S' }],
    globalSecondaryIndexes: [
      {
        indexName: 'by_connection',
        keySchema: [{ attributeName: 'connection', keyType: 'HASH' }],
        projection: { projectionType: 'ALL' },
      },
    ],
  });
  for (const table of [integrations, connections, tokens, audit, passes]) {
    retain(table);
  }
  // Neither kept nor restored: its items live for minutes, operators' sessions for half a day, hourly counts for nine
  // days.
  sessions.cfnOptions.deletionPolicy = CfnDeletionPolicy.DELETE;
  sessions.cfnOptions.updateReplacePolicy = CfnDeletionPolicy.DELETE;
  const operatorKey = new CfnSecret(scope, 'OperatorKey', {
    name: `${name}/operator-key`,
    description: 'The first operator key of ado-connect; the value is the key.',
    generateSecretString: { passwordLength: 48, excludePunctuation: true },
  });
  return { integrations, sessions, connections, tokens, audit, passes, operatorKey };
}

/** Keeps a resource that the stack deletes or replaces. */
export function retain(resource: CfnResource): void {
  resource.cfnOptions.deletionPolicy = CfnDeletionPolicy.RETAIN;
  resource.cfnOptions.updateReplacePolicy = CfnDeletionPolicy.RETAIN;
}
