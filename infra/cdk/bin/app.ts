#!/usr/bin/env node
import { App, Stack } from 'aws-cdk-lib';
import { AdoConnect } from '../lib/ado-connect';

const app = new App();
const stack = new Stack(app, 'ado-connect');
// Built from this repository, unless `-c artifacts=DIRECTORY` says where the functions are.
new AdoConnect(stack, 'AdoConnect', { artifacts: app.node.tryGetContext('artifacts') });
