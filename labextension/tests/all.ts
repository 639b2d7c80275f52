import './host.test';
import './run.test';
import './words.test';
