#!/usr/bin/env node
import { App, CfnOutput, Stack } from 'aws-cdk-lib';
import { AdoConnect } from '../lib/ado-connect';

const app = new App();
const stack = new Stack(app, 'ado-connect');
// Built from this repository, unless `-c artifacts=DIRECTORY` says where the functions are.
const ado = new AdoConnect(stack, 'AdoConnect', {
  artifacts: app.node.tryGetContext('artifacts'),
  architecture: app.node.tryGetContext('architecture'),
});
// The stack is nothing but this, so its outputs have the names that the documentation uses.
for (const output of ado.node.children.filter((child) => child instanceof CfnOutput)) {
  output.overrideLogicalId(output.node.id);
}
