#!/usr/bin/env node
import { App, CfnOutput, Stack } from 'aws-cdk-lib';
import { AdoConnect } from '../lib/ado-connect';

const app = new App();
const stack = new Stack(app, 'ado-connect');
// The functions are built from this repository unless `-c artifacts=DIRECTORY` names a directory of executables.
const ado = new AdoConnect(stack, 'AdoConnect', {
  artifacts: app.node.tryGetContext('artifacts'),
  architecture: app.node.tryGetContext('architecture'),
});
// The construct is all of the stack, so its outputs can have the names in the documentation.
for (const output of ado.node.children.filter((child) => child instanceof CfnOutput)) {
  output.overrideLogicalId(output.node.id);
}
