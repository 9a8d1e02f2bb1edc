import { badInputContract } from './bad-input-contract.js';

badInputContract('ws');
