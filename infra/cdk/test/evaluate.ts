import { parseDocument, type ScalarTag, type CollectionTag } from 'yaml';

/** CloudFormation's JSON. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface Template {
  readonly Resources: Record<string, Resource>;
  readonly Outputs: Record<string, Json>;
}

export interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, Json>;
  readonly DependsOn?: Json;
  readonly DeletionPolicy?: Json;
  readonly UpdateReplacePolicy?: Json;
}

/** Reads a template in YAML: `!Sub text` becomes `{"Fn::Sub": text}`. */
export function readYaml(text: string): Record<string, Json> {
  const functions = ['Ref', 'GetAtt', 'Sub', 'If', 'Equals', 'Not', 'And', 'Or', 'Join'];
  const name = (tag: string) => (tag === 'Ref' ? 'Ref' : `Fn::${tag}`);
  const scalars: ScalarTag[] = functions.map((tag) => ({
    tag: `!${tag}`,
    resolve: (value: string) => ({ [name(tag)]: value }),
  }));
  const lists: CollectionTag[] = functions.map((tag) => ({
    tag: `!${tag}`,
    collection: 'seq',
    resolve: (node) => ({ [name(tag)]: node.toJSON() as Json }),
  }));
  const document = parseDocument(text, { customTags: [...lists, ...scalars] });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) {
    throw problem;
  }
  return document.toJS() as Record<string, Json>;
}

/** Evaluates a template with its parameters: references, conditions and texts. */
export class Evaluation {
  constructor(
    private readonly parameters: Record<string, Json>,
    private readonly conditions: Record<string, Json> = {},
    /** A resource's own name for its logical id. */
    private readonly rename: (logicalId: string) => string = (logicalId) => logicalId,
  ) {}

  holds(condition: Json | undefined): boolean {
    return condition === undefined || this.decide(this.conditions[String(condition)] ?? null);
  }

  /** The value of an expression, or `undefined` for `AWS::NoValue`. */
  value(expression: Json): Json | undefined {
    if (Array.isArray(expression)) {
      return expression.map((item) => this.value(item)).filter((item) => item !== undefined);
    }
    if (expression === null || typeof expression !== 'object') {
      return expression;
    }
    const [first, ...more] = Object.entries(expression);
    if (first && more.length === 0 && (first[0] === 'Ref' || first[0].startsWith('Fn::'))) {
      return this.call(first[0], first[1]);
    }
    const values = Object.entries(expression).map(([name, item]) => [name, this.value(item)] as const);
    return Object.fromEntries(values.filter(([, item]) => item !== undefined)) as Json;
  }

  private call(name: string, argument: Json): Json | undefined {
    switch (name) {
      case 'Ref':
        return this.reference(String(argument));
      case 'Fn::GetAtt':
        return this.attribute(Array.isArray(argument) ? argument.join('.') : String(argument));
      case 'Fn::Sub':
        return Array.isArray(argument)
          ? this.substitute(String(argument[0]), argument[1] as Record<string, Json>)
          : this.substitute(String(argument), {});
      case 'Fn::Join': {
        const [separator, items] = argument as [string, Json];
        return (this.value(items) as Json[]).join(separator);
      }
      case 'Fn::If': {
        const [condition, then, otherwise] = argument as [string, Json, Json];
        return this.value(this.holds(condition) ? then : otherwise);
      }
      default:
        throw new Error(`${name} is not understood`);
    }
  }

  private decide(condition: Json): boolean {
    const [name, argument] = Object.entries(condition as Record<string, Json>)[0] ?? [];
    if (name === 'Fn::Not') {
      return !this.decide((argument as Json[])[0] ?? null);
    }
    if (name === 'Fn::And') {
      return (argument as Json[]).every((item) => this.decide(item));
    }
    if (name === 'Fn::Equals') {
      const [one, two] = (argument as Json[]).map((item) => this.value(item));
      return String(one) === String(two);
    }
    throw new Error(`the condition ${String(name)} is not understood`);
  }

  private reference(name: string): Json | undefined {
    if (name === 'AWS::NoValue') {
      return undefined;
    }
    if (name in this.parameters) {
      return this.parameters[name];
    }
    return name.startsWith('AWS::') ? `<${name}>` : `<${this.rename(name)}>`;
  }

  private attribute(path: string): string {
    const [id = '', ...attribute] = path.split('.');
    return `<${this.rename(id)}.${attribute.join('.')}>`;
  }

  private substitute(text: string, local: Record<string, Json>): string {
    return text.replace(/\$\{([^}]+)\}/g, (_, name: string) => {
      if (name in local) {
        return String(this.value(local[name] ?? null));
      }
      return String(name.includes('.') ? this.attribute(name) : this.reference(name));
    });
  }
}
