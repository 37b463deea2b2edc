/** IAM's JSON, as plain values: what is written here is what is deployed, statement by statement. */

export interface Statement {
  readonly Sid?: string;
  readonly Effect: 'Allow';
  readonly Principal?: unknown;
  readonly Action: string | string[];
  readonly Resource?: unknown;
  readonly Condition?: Record<string, Record<string, unknown>>;
}

export function document(statements: Statement[]): object {
  return { Version: '2012-10-17', Statement: statements };
}

export function allow(actions: string | string[], resource: unknown, condition?: Statement['Condition']): Statement {
  return condition
    ? { Effect: 'Allow', Action: actions, Resource: resource, Condition: condition }
    : { Effect: 'Allow', Action: actions, Resource: resource };
}

/** A condition on the kinds of items: their keys begin with what they are. */
export function kinds(...keys: string[]): NonNullable<Statement['Condition']> {
  return { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': keys } };
}

/** Who may become a role. */
export function trust(principal: unknown, condition?: Statement['Condition']): object {
  const statement = { Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole' } as const;
  return document([condition ? { ...statement, Condition: condition } : statement]);
}

export function dynamodb(...operations: string[]): string[] {
  return operations.map((operation) => `dynamodb:${operation}`);
}
