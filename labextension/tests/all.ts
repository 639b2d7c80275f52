import './around.test';
import './lab.test';
import './host.test';
import './run.test';
import './words.test';
