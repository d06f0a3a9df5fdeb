"""What training and the app share: recipes, data, runs, metrics, models, the Hub, verdicts and views."""
