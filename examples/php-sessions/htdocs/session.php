<?php
session_start();
$_SESSION['requests'] = ($_SESSION['requests'] ?? 0) + 1;
header('Content-Type: text/plain; charset=utf-8');
printf("php %s: session %s, request %d\n", getenv('ROUTE'), session_id(), $_SESSION['requests']);
