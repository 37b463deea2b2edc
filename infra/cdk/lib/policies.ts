/** IAM's JSON as plain values, deployed as it is written here, statement by statement. */

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

/** A condition on kinds of items, with which their keys begin. */
export function kinds(...keys: string[]): NonNullable<Statement['Condition']> {
  return { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': keys } };
}

/** A condition on the attributes that a request names, in conditions too. It names at least one: `ForAllValues` allows none. */
export function attributes(...names: string[]): NonNullable<Statement['Condition']> {
  return { 'ForAllValues:StringLike': { 'dynamodb:Attributes': names }, Null: { 'dynamodb:Attributes': 'false' } };
}

/** A condition on a write, which must not return the item that it replaces. */
export const RETURNS_NOTHING: NonNullable<Statement['Condition']> = {
  StringEqualsIfExists: { 'dynamodb:ReturnValues': 'NONE' },
};

/** All of these conditions. */
export function every(...conditions: NonNullable<Statement['Condition']>[]): NonNullable<Statement['Condition']> {
  const merged: Record<string, Record<string, unknown>> = {};
  for (const [operator, keys] of conditions.flatMap((condition) => Object.entries(condition))) {
    merged[operator] = { ...merged[operator], ...keys };
  }
  return merged;
}

/** The trust policy of a role. */
export function trust(principal: unknown, condition?: Statement['Condition']): object {
  const statement = { Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole' } as const;
  return document([condition ? { ...statement, Condition: condition } : statement]);
}

export function dynamodb(...operations: string[]): string[] {
  return operations.map((operation) => `dynamodb:${operation}`);
}
